// A gRPC server in Node that turns rows of vip-action into messages for people, as ../vip.py does.
//
//   npm install && node server.mjs 50051
//   clickstream transform --from vip-action --to vip-messages --grpc localhost:50051

import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const PROTO = fileURLToPath(new URL("../../../clickstream/transform/transform.proto", import.meta.url));
// longs: offsets are larger than a number is exact. Fields that are absent stay so: no key is not an empty key.
const definition = loader.loadSync(process.env.TRANSFORM_PROTO ?? PROTO, { keepCase: true, longs: String });
const { Transform } = grpc.loadPackageDefinition(definition).clickstream.transform.v1;

function apply(call, answer) {
  const { record, idempotency_key: id } = call.request;
  let row;
  try {
    row = JSON.parse(record.value);
    if (row.user_id === undefined) throw new Error("no user_id");
  } catch (problem) {
    // The record goes to the dead-letter topic.
    answer({ code: grpc.status.INVALID_ARGUMENT, message: `no row of vip-action: ${problem.message}` });
    return;
  }
  if (!row.action) {
    answer(null, { results: [] });
    return;
  }
  const text = `${row.name || row.user_id} (platinum): ${row.action} on page ${row.page}`;
  const message = { id, text, user_id: row.user_id, at: row.event_time };
  answer(null, { results: [{ key: record.key, value: Buffer.from(JSON.stringify(message)) }] });
}

const server = new grpc.Server();
server.addService(Transform.service, { Apply: apply });
server.bindAsync(`127.0.0.1:${process.argv[2] ?? 50051}`, grpc.ServerCredentials.createInsecure(), (problem, port) => {
  if (problem) throw problem;
  console.log(`serving on 127.0.0.1:${port}`);
});
