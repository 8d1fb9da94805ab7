import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.stream.Stream;
import org.apache.kafka.tools.AclCommand;

/** Runs kafka-acls once for each line of standard input, a JSON array of arguments; those of the command line come first. */
public final class GrantAccess {
  public static void main(String[] where) throws Exception {
    ObjectMapper json = new ObjectMapper();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] what = json.readValue(line, String[].class);
      AclCommand.main(Stream.concat(Stream.of(where), Stream.of(what)).toArray(String[]::new));
    }
  }
}
