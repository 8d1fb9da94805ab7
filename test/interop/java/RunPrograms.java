import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.common.utils.Utils;

/**
 * Runs main classes one after another, so that a virtual machine starts once for all of them: each line on standard
 * input is {"main","arguments":[…],"input"}, each line of output the answer, {"output"} or {"failed"} with what it threw.
 */
public final class RunPrograms {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final class Ended extends RuntimeException {
    private final int status;

    Ended(int status) {
      super("it ended with status " + status);
      this.status = status;
    }
  }

  public static void main(String[] none) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    // Kafka's tools end through this class; a shutdown hook of theirs would wait for a tool that ended so.
    Exit.setExitProcedure(
        (status, message) -> {
          throw new Ended(status);
        });
    Exit.setShutdownHookAdder((name, hook) -> {});
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      answers.println(JSON.writeValueAsString(run(JSON.readTree(line))));
    }
  }

  private static ObjectNode run(JsonNode program) throws Exception {
    ObjectNode answer = JSON.createObjectNode();
    ByteArrayOutputStream output = new ByteArrayOutputStream();
    System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
    System.setIn(new ByteArrayInputStream(program.get("input").asText().getBytes(StandardCharsets.UTF_8)));
    String[] arguments = JSON.convertValue(program.get("arguments"), String[].class);
    try {
      Class.forName(program.get("main").asText()).getMethod("main", String[].class).invoke(null, (Object) arguments);
    } catch (InvocationTargetException thrown) {
      Throwable cause = thrown.getCause();
      if (!(cause instanceof Ended ended && ended.status == 0)) answer.put("failed", Utils.stackTrace(cause));
    }
    System.out.flush();
    return answer.put("output", output.toString(StandardCharsets.UTF_8));
  }
}
