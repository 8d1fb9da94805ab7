import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.WakeupException;

/**
 * What a team of engineers writes by hand when it needs nothing but speed: one loop of poll, look up, send. The table is a
 * HashMap read once from a file. At least once: a failed write ends the process before its offset is committed.
 */
public final class PlainRouter {
  private static final String[] NOBODY = {};
  /** Flushing at every poll would empty the pipeline each time; a crash repeats at most this much. */
  private static final long COMMIT_INTERVAL_MS = 500;

  private PlainRouter() {}

  public static void main(String[] arguments) throws IOException {
    PeerSettings settings = new PeerSettings();
    Map<String, String[]> table = readTable(settings);
    run(
        settings,
        (record) -> {
          String team = EventReader.teamOf(record.headers(), record.value());
          return team == null ? NOBODY : table.getOrDefault(team, NOBODY);
        });
  }

  /** Lines of a team and its plugins, separated by spaces. The topics' names are made once, not per record. */
  private static Map<String, String[]> readTable(PeerSettings settings) throws IOException {
    Map<String, String[]> table = new HashMap<>();
    Map<String, String> topics = new HashMap<>();
    try (Stream<String> lines = Files.lines(Path.of(PeerSettings.required("BENCH_ROUTES")))) {
      lines.forEach(
          (line) -> {
            String[] words = line.split(" ");
            String[] names = new String[words.length - 1];
            for (int i = 0; i < names.length; i++)
              names[i] = topics.computeIfAbsent(words[i + 1], (plugin) -> settings.prefix + plugin);
            table.put(words[0], names);
          });
    }
    return table;
  }

  static void run(PeerSettings settings, Function<ConsumerRecord<byte[], byte[]>, String[]> route) {
    CountDownLatch done = new CountDownLatch(1);
    AtomicReference<Exception> failure = new AtomicReference<>();
    Callback onSent = (metadata, error) -> failure.compareAndSet(null, error);
    KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings.consumer());
    PeerSettings.onTermination(consumer::wakeup, done);
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings.producer())) {
      consumer.subscribe(List.of(settings.input));
      long committedAt = System.currentTimeMillis();
      boolean uncommitted = false;
      while (true) {
        ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
        for (ConsumerRecord<byte[], byte[]> record : records)
          for (String topic : route.apply(record))
            producer.send(
                new ProducerRecord<>(topic, null, record.key(), record.value(), record.headers()), onSent);
        uncommitted |= !records.isEmpty();
        if (uncommitted && System.currentTimeMillis() - committedAt >= COMMIT_INTERVAL_MS) {
          producer.flush();
          if (failure.get() != null) throw new IllegalStateException("a copy was not written", failure.get());
          consumer.commitSync();
          committedAt = System.currentTimeMillis();
          uncommitted = false;
        }
      }
    } catch (WakeupException e) {
      // Asked to stop. What was not committed is done again by the next one.
    } finally {
      consumer.close();
      done.countDown();
    }
  }
}
