import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Does what each line on standard input says, with Java's producer: {"do":"open","settings":{…}}, {"do":"send","topic",
 * "key","value","headers":[[name,value]…]} (bytes as Base64 or null), {"do":"begin"}, {"do":"commit"}, {"do":"abort"},
 * {"do":"close"}. Prints the partition of every record sent, a line each.
 */
public final class Produce {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    KafkaProducer<byte[], byte[]> producer = null;
    java.util.List<Future<RecordMetadata>> sent = new java.util.ArrayList<>();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode step = JSON.readTree(line);
      switch (step.get("do").asText()) {
        case "open" -> {
          Map<String, Object> settings = new HashMap<>();
          settings.put("bootstrap.servers", arguments[0]);
          step.get("settings").fields().forEachRemaining(one -> settings.put(one.getKey(), one.getValue().asText()));
          producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
          if (settings.containsKey("transactional.id")) producer.initTransactions();
        }
        case "send" -> sent.add(producer.send(record(step)));
        case "begin" -> producer.beginTransaction();
        case "commit" -> producer.commitTransaction();
        case "abort" -> {
          producer.flush();
          producer.abortTransaction();
        }
        case "close" -> producer.close();
        default -> throw new IllegalArgumentException(line);
      }
    }
    for (Future<RecordMetadata> one : sent) System.out.println(one.get().partition());
  }

  private static ProducerRecord<byte[], byte[]> record(JsonNode step) {
    ProducerRecord<byte[], byte[]> record =
        new ProducerRecord<>(step.get("topic").asText(), bytes(step.get("key")), bytes(step.get("value")));
    for (JsonNode header : step.get("headers")) record.headers().add(header.get(0).asText(), bytes(header.get(1)));
    return record;
  }

  private static byte[] bytes(JsonNode base64) {
    return base64.isNull() ? null : Base64.getDecoder().decode(base64.asText());
  }
}
