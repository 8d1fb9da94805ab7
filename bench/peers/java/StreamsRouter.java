import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.Stores;

/**
 * A router as Kafka Streams' documentation builds one: the table is a topic read into a GlobalKTable on every instance,
 * each event is joined with its team's entry, spread to one item per plugin, and written by a TopicNameExtractor.
 */
public final class StreamsRouter {
  /** An event with its team, and later with the topic of one copy. */
  private record Item(byte[] value, String text) {}

  private StreamsRouter() {}

  public static void main(String[] arguments) {
    PeerSettings settings = new PeerSettings();
    CountDownLatch done = new CountDownLatch(1);
    KafkaStreams streams = new KafkaStreams(topology(settings).build(), configuration(settings));
    streams.setUncaughtExceptionHandler(
        (error) -> {
          error.printStackTrace();
          return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
    PeerSettings.onTermination(streams::close, done);
    streams.setStateListener(
        (now, before) -> {
          if (now == KafkaStreams.State.NOT_RUNNING || now == KafkaStreams.State.ERROR) done.countDown();
        });
    streams.start();
    try {
      done.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static StreamsBuilder topology(PeerSettings settings) {
    StreamsBuilder builder = new StreamsBuilder();
    Serde<String> text = Serdes.String();
    GlobalKTable<String, String> table =
        builder.globalTable(
            PeerSettings.required("BENCH_TABLE"),
            Consumed.with(text, text),
            // In memory: the default, RocksDB, would be asked for each event.
            Materialized.<String, String>as(Stores.inMemoryKeyValueStore("routes")));
    builder.stream(settings.input, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .processValues(TeamReader::new)
        .join(table, (key, item) -> item.text(), (item, plugins) -> new Item(item.value(), plugins))
        .flatMapValues((item) -> copies(settings.prefix, item))
        .to(
            (key, item, context) -> item.text(),
            Produced.with(
                Serdes.ByteArray(), Serdes.serdeFrom((topic, item) -> item.value(), (topic, value) -> null)));
    return builder;
  }

  private static List<Item> copies(String prefix, Item item) {
    String[] plugins = item.text().split(" ");
    List<Item> copies = new ArrayList<>(plugins.length);
    for (String plugin : plugins)
      if (!plugin.isEmpty()) copies.add(new Item(item.value(), prefix + plugin));
    return copies;
  }

  /** The team may be in a header, which only a processor sees. What has no team goes nowhere. */
  private static final class TeamReader
      extends ContextualFixedKeyProcessor<byte[], byte[], Item> {
    @Override
    public void process(FixedKeyRecord<byte[], byte[]> record) {
      String team = EventReader.teamOf(record.headers(), record.value());
      if (team != null) context().forward(record.withValue(new Item(record.value(), team)));
    }
  }

  private static Properties configuration(PeerSettings settings) {
    Properties properties = new Properties();
    String guarantee = PeerSettings.required("BENCH_GUARANTEE");
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, settings.group);
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, settings.brokers);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, PeerSettings.required("BENCH_STATE"));
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(PeerSettings.required("BENCH_THREADS")));
    // exactly_once_v2: a transaction per interval. Fewer are faster, and later: the default, 100 ms, when latency counts.
    // at_least_once: the default of 30 s would repeat half a minute after a crash; as the other peers commit.
    boolean exactlyOnce = guarantee.equals(StreamsConfig.EXACTLY_ONCE_V2);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, exactlyOnce && settings.forLatency ? 100 : 500);
    // As many records at hand as a poll brings: the default (1,000) pauses and resumes partitions at every poll.
    properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
    settings.producer().forEach((name, value) -> properties.put(StreamsConfig.producerPrefix((String) name), value));
    settings
        .consumer()
        .forEach(
            (name, value) -> {
              // Streams has its own opinion of these, and complains of others'.
              if (!name.equals("group.id") && !name.equals("enable.auto.commit"))
                properties.put(StreamsConfig.mainConsumerPrefix(name), value);
            });
    for (String own : List.of("key.serializer", "value.serializer", "bootstrap.servers", "enable.idempotence"))
      properties.remove(StreamsConfig.producerPrefix(own));
    for (String own : List.of("key.deserializer", "value.deserializer", "bootstrap.servers"))
      properties.remove(StreamsConfig.mainConsumerPrefix(own));
    return properties;
  }
}
