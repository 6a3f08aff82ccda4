"""A gRPC server in Python that turns rows of vip-action into messages for people, as vip.py does.

    pip install 'clickstream[grpc]'
    python examples/transform/server.py 50051
    clickstream transform --from vip-action --to vip-messages --grpc localhost:50051

Servers in other languages need nothing of ours but clickstream/transform/transform.proto.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from clickstream.transform import transform_pb2

messages: Any = transform_pb2


def apply(request: Any, context: Any) -> Any:
    """None or one result. A row that cannot be read is refused: it goes to the dead-letter topic."""
    try:
        row = json.loads(request.record.value)
        text = f"{row.get('name') or row['user_id']} (platinum): {row['action']} on page {row['page']}"
    except (ValueError, KeyError, AttributeError) as problem:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no row of vip-action: {problem!r}")
    if not row["action"]:
        return messages.ApplyResponse()
    message = {"id": request.idempotency_key, "text": text, "user_id": row["user_id"], "at": row["event_time"]}
    return messages.ApplyResponse(
        results=[messages.Record(key=request.record.key, value=json.dumps(message, ensure_ascii=False).encode())]
    )


def main(port: int) -> None:
    """Serve until the process is ended."""
    server = grpc.server(ThreadPoolExecutor(8))
    handler = grpc.unary_unary_rpc_method_handler(
        apply,
        request_deserializer=messages.ApplyRequest.FromString,
        response_serializer=messages.ApplyResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler("clickstream.transform.v1.Transform", {"Apply": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(f"serving on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50051)
