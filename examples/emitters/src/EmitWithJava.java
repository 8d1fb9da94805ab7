import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Emits events as binary CloudEvents: one JSON object a line on standard input, with the fields of response-event.ts.
 *
 * <p>{@code java -cp 'libs/*' EmitWithJava.java <brokers> <topic>}
 */
public final class EmitWithJava {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    // acks=all and idempotence are Java's defaults: what is tried again is written once, and in order.
    settings.put("acks", "all");
    settings.put("enable.idempotence", "true");
    settings.put("compression.type", "zstd");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (Producer<String, byte[]> producer =
        new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
      List<Future<?>> sent = new ArrayList<>();
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        sent.add(producer.send(record(arguments[1], JSON.readTree(line))));
      }
      // Throws when one was not acknowledged: emit the same events again then.
      for (Future<?> one : sent) one.get();
    }
  }

  private static ProducerRecord<String, byte[]> record(String topic, JsonNode event) throws Exception {
    String response = event.get("response").asText();
    byte[] value = JSON.writeValueAsBytes(event.get("data"));
    ProducerRecord<String, byte[]> record = new ProducerRecord<>(topic, response, value);
    header(record, "ce_specversion", "1.0");
    header(record, "ce_id", event.get("id").asText());
    header(record, "ce_source", "core");
    header(record, "ce_type", event.get("type").asText());
    header(record, "ce_subject", response);
    header(record, "ce_time", event.get("time").asText());
    header(record, "ce_teamid", event.get("team").asText());
    header(record, "ce_formid", event.get("form").asText());
    header(record, "ce_revision", event.get("revision").asText());
    header(record, "content-type", "application/json");
    return record;
  }

  private static void header(ProducerRecord<String, byte[]> record, String name, String value) {
    record.headers().add(name, value.getBytes(StandardCharsets.UTF_8));
  }
}
