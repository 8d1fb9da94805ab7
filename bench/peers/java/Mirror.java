/**
 * The floor: reads, and writes every record to the first BENCH_COPIES topics without looking into it. What a router costs
 * beyond this is routing. It routes nothing, so it is no router.
 */
public final class Mirror {
  public static void main(String[] arguments) {
    PeerSettings settings = new PeerSettings();
    String[] topics = PeerSettings.required("BENCH_MIRROR_TOPICS").split(",");
    PlainRouter.run(settings, (record) -> topics);
  }
}
