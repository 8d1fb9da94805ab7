import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** What a Java peer is told, by environment, and the settings of clients that all Java peers share. */
final class PeerSettings {
  final String brokers = required("BENCH_BROKERS");
  final String input = required("BENCH_INPUT");
  final String group = required("BENCH_GROUP");
  /** Topics of copies are this and the plugin's id. */
  final String prefix = required("BENCH_PREFIX");
  /** The peer is tuned for what is measured: Plugboard runs with the same settings in both. */
  final boolean forLatency = required("BENCH_TUNED_FOR").equals("latency");

  static String required(String name) {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) throw new IllegalStateException(name + " is not set");
    return value;
  }

  /**
   * Fetches large enough that a poll brings what a batch can take; a single broker answers at once when anything is there.
   * Offsets are committed by the peer, behind its writes.
   */
  Map<String, Object> consumer() {
    return Map.of(
        "bootstrap.servers", brokers,
        "group.id", group,
        "auto.offset.reset", "earliest",
        "enable.auto.commit", false,
        "max.poll.records", forLatency ? 500 : 5_000,
        "fetch.max.wait.ms", 500,
        "max.partition.fetch.bytes", 2 * 1024 * 1024,
        "receive.buffer.bytes", 1024 * 1024,
        "key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer",
        "value.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
  }

  /**
   * acks=all and idempotence, which keeps the order with five requests under way. 120 partitions share the buffer: batches
   * of 256 KiB are never full before they are sent, and 5 ms of lingering (Kafka 4's default) fill them enough; without
   * load, lingering is pure delay. No compression, as at Plugboard.
   */
  Properties producer() {
    Properties properties = new Properties();
    properties.putAll(
        Map.of(
            "bootstrap.servers", brokers,
            "acks", "all",
            "enable.idempotence", true,
            "max.in.flight.requests.per.connection", 5,
            "batch.size", 256 * 1024,
            "linger.ms", forLatency ? 0 : 5,
            "compression.type", "none",
            "buffer.memory", 256L * 1024 * 1024,
            "max.request.size", 8 * 1024 * 1024,
            "send.buffer.bytes", 1024 * 1024));
    properties.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    properties.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    return properties;
  }

  /** Runs `stop` on SIGTERM and keeps the process until it has returned and `done` is counted down. */
  static void onTermination(Runnable stop, CountDownLatch done) {
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  stop.run();
                  try {
                    done.await(10, TimeUnit.SECONDS);
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                }));
  }
}
