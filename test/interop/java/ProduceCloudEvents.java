import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventSerializer;
import java.net.URI;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes three events with CloudEvents' serializer for Java: binary, structured, and structured with bytes that are not
 * declared to be JSON, which it writes as data_base64. Brokers, topic, team; their ids are java-binary, java-structured
 * and java-base64, the value is read from standard input.
 */
public final class ProduceCloudEvents {
  public static void main(String[] arguments) throws Exception {
    byte[] data = System.in.readAllBytes();
    send(arguments, Encoding.BINARY, event("java-binary", arguments[2], "application/json", data));
    send(arguments, Encoding.STRUCTURED, event("java-structured", arguments[2], "application/json", data));
    send(arguments, Encoding.STRUCTURED, event("java-base64", arguments[2], "application/octet-stream", data));
  }

  private static CloudEvent event(String id, String team, String type, byte[] data) {
    return CloudEventBuilder.v1()
        .withId(id)
        .withSource(URI.create("core"))
        .withType("onResponse")
        .withSubject("response-java")
        .withTime(OffsetDateTime.parse("2026-11-01T08:00:00Z"))
        .withExtension("teamid", team)
        .withExtension("formid", "form-1")
        .withExtension("revision", 1)
        .withData(type, data)
        .build();
  }

  private static void send(String[] arguments, Encoding encoding, CloudEvent event) throws Exception {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("cloudevents.serializer.encoding", encoding.name());
    if (encoding == Encoding.STRUCTURED) settings.put("cloudevents.serializer.event_format", JsonFormat.CONTENT_TYPE);
    settings.put("key.serializer", StringSerializer.class.getName());
    settings.put("value.serializer", CloudEventSerializer.class.getName());
    try (KafkaProducer<String, CloudEvent> producer = new KafkaProducer<>(settings)) {
      producer.send(new ProducerRecord<>(arguments[1], "response-java", event)).get();
    }
  }
}
