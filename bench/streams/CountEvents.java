import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Counts events by name with Kafka Streams, in the cheapest way that it offers while the counts survive a crash:
 * a processor over an in-memory store whose changes are logged, behind a cache, so that only the last count per
 * name and commit is written. (groupBy().count() would write every event to a repartition topic first.) Each
 * task publishes its own partition's tally, keyed by the partition; nothing adds them up. Ends when every
 * partition has been counted up to where it ended at the start.
 *
 * <p>Arguments: address, input topic, output topic, application id, at_least_once or exactly_once_v2, state
 * directory, threads, and any number of name=value for further settings.
 */
public final class CountEvents {
    private static final String STORE = "counts";
    private static final Duration INTERVAL = Duration.ofSeconds(1);
    private static final JsonFactory JSON = new JsonFactory();

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[4]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[5]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[6]);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, INTERVAL.toMillis());
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        for (int i = 7; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }

        Map<Integer, Long> ends = endsOf(args[0], args[1]);
        CountDownLatch left = new CountDownLatch(ends.size());
        Topology topology = new Topology();
        topology.addSource("events", new ByteArrayDeserializer(), new ByteArrayDeserializer(), args[1]);
        topology.addProcessor("count", () -> new Count(ends, left), "events");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.Long())
                        .withCachingEnabled()
                        .withLoggingEnabled(Map.of()),
                "count");
        topology.addSink("tallies", args[2], new StringSerializer(), new StringSerializer(), "count");

        KafkaStreams streams = new KafkaStreams(topology, settings);
        streams.setUncaughtExceptionHandler(problem -> {
            problem.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        left.await();
        if (!streams.close(Duration.ofSeconds(60))) { // commits what was counted
            throw new IllegalStateException("Streams did not close within 60 s");
        }
    }

    /** End offset of every partition that holds anything. */
    private static Map<Integer, Long> endsOf(String address, String topic) {
        Properties settings = new Properties();
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, address);
        Map<Integer, Long> ends = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            for (PartitionInfo partition : consumer.partitionsFor(topic)) {
                TopicPartition place = new TopicPartition(topic, partition.partition());
                long end = consumer.endOffsets(java.util.Set.of(place)).get(place);
                if (end > 0) {
                    ends.put(partition.partition(), end);
                }
            }
        }
        return ends;
    }

    private static final class Count implements Processor<byte[], byte[], String, String> {
        private final Map<Integer, Long> ends;
        private final CountDownLatch left;
        private ProcessorContext<String, String> context;
        private KeyValueStore<String, Long> counts;
        private long last;
        private boolean changed;

        Count(Map<Integer, Long> ends, CountDownLatch left) {
            this.ends = ends;
            this.left = left;
        }

        @Override
        public void init(ProcessorContext<String, String> context) {
            this.context = context;
            counts = context.getStateStore(STORE);
            last = ends.getOrDefault(context.taskId().partition(), 0L) - 1;
            context.schedule(INTERVAL, PunctuationType.WALL_CLOCK_TIME, this::publish);
        }

        @Override
        public void process(Record<byte[], byte[]> event) {
            String name = eventName(event.value());
            if (name != null) {
                Long count = counts.get(name);
                counts.put(name, count == null ? 1 : count + 1);
                changed = true;
            }
            RecordMetadata place = context.recordMetadata().orElseThrow();
            if (place.offset() == last) {
                publish(event.timestamp());
                left.countDown();
            }
        }

        private void publish(long timestamp) {
            if (!changed) {
                return;
            }
            StringBuilder tally = new StringBuilder("{");
            try (KeyValueIterator<String, Long> all = counts.all()) {
                all.forEachRemaining(
                        entry -> tally.append('"').append(entry.key).append("\":").append(entry.value).append(','));
            }
            String now = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss'UTC'").format(ZonedDateTime.now(ZoneOffset.UTC));
            tally.append("\"receiveAt\":\"").append(now).append("\"}");
            String partition = Integer.toString(context.taskId().partition());
            context.forward(new Record<>(partition, tally.toString(), timestamp));
            changed = false;
        }
    }

    /** The value of the member eventName, read without building a tree; null when there is none. */
    private static String eventName(byte[] json) {
        if (json == null) {
            return null;
        }
        try (JsonParser parser = JSON.createParser(json)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return null;
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean wanted = parser.currentName().equals("eventName");
                JsonToken value = parser.nextToken();
                if (wanted) {
                    return value == JsonToken.VALUE_STRING ? parser.getText() : null;
                }
                parser.skipChildren();
            }
            return null;
        } catch (IOException malformed) {
            return null;
        }
    }
}
