import DataLoader from "dataloader";

interface TogetherParts<Item, Answer> {
  /** Items in one statement. */
  readonly itemsMax: number;
  /** Statements under way. */
  readonly atOnceMax: number;
  /** Asks for all of them in one statement, and answers in their order. */
  readonly ask: (items: readonly Item[]) => Promise<readonly Answer[]>;
}

/**
 * Has questions share statements: what comes while statements are under way goes together in the next one. So a database that takes
 * its time to commit is asked less often, and nobody waits while it is idle. Where a statement fails, each of its questions is asked alone:
 * one that the database refuses takes no other with it.
 */
export function together<Item, Answer>({
  itemsMax,
  atOnceMax,
  ask,
}: TogetherParts<Item, Answer>): (item: Item) => Promise<Answer> {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  const begin = (dispatch: () => void) => {
    underWay += 1;
    // At the end of the turn, with what else comes in it.
    setImmediate(dispatch);
  };
  const loader = new DataLoader<Item, Answer>(
    async (items) => {
      try {
        return await ask(items);
      } catch (error) {
        if (items.length === 1) throw error;
        return await Promise.all(items.map((item) => askAlone(ask, item)));
      } finally {
        underWay -= 1;
        const next = waiting.shift();
        if (next !== undefined) begin(next);
      }
    },
    {
      cache: false,
      maxBatchSize: itemsMax,
      batchScheduleFn: (dispatch) => {
        if (underWay < atOnceMax) begin(dispatch);
        else waiting.push(dispatch);
      },
    },
  );
  return (item) => loader.load(item);
}

async function askAlone<Item, Answer>(ask: TogetherParts<Item, Answer>["ask"], item: Item): Promise<Answer | Error> {
  try {
    const [answer] = await ask([item]);
    return answer as Answer;
  } catch (error) {
    // What is no Error here, as one of another realm, would be taken for the answer.
    return error instanceof Error ? error : new Error(messageOf(error), { cause: error });
  }
}

function messageOf(error: unknown): string {
  return typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);
}
