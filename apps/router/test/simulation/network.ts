import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

/** What was asked of a broker: the arguments of the client's own call, or the request's bytes. */
export interface Request {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly args: readonly unknown[];
  readonly answered: (answer: Answer) => void;
}

/** The answer as the client reads it, with the errors in it by their place. */
export interface Answer {
  readonly response: object;
  readonly errors: Readonly<Record<string, readonly [code: number, message: string | null]>>;
}

/** Whom requests reach. */
export interface Server {
  /** False while it is down. */
  readonly up: boolean;
  /** How much slower than usual its answers are on their way. */
  readonly slowness: number;
  /** @param link by which it came; @param answer at most once. */
  handle(request: Request, link: Link, answer: (answer: Answer) => void): void;
}

/** Writes and commits: Produce, OffsetCommit, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit, InitProducerId. */
const LOSABLE: ReadonlySet<number> = new Set([0, 8, 22, 24, 25, 26, 28]);

/** Processes, brokers, and what lies between them. */
export class Network {
  readonly world: World;
  readonly servers = new Map<string, Server>();
  readonly links = new Set<Link>();
  /** `process server` → until when nothing passes. */
  readonly #cuts = new Map<string, number>();
  /** How many of the next writes and commits are cut off, before or after they are done. */
  lostAnswers = 0;

  constructor(world: World) {
    this.world = world;
  }

  /** How long something is on its way, milliseconds. */
  delay(process: SimulatedProcess, name: string): number {
    const { chance } = this.world;
    const usual = chance.between(0.2, chance.is(0.03) ? 40 : 3);
    const cutLeft = Math.max(0, (this.#cuts.get(`${process.name} ${name}`) ?? 0) - this.world.now);
    return cutLeft + usual * (this.servers.get(name)?.slowness ?? 1);
  }

  /** Nothing passes between the two for this long; what was sent comes late. */
  cut(process: SimulatedProcess, name: string, ms: number): void {
    this.#cuts.set(`${process.name} ${name}`, this.world.now + ms);
  }

  /** @param connected is called in an event of the process, with false when nobody listens there. */
  connect(process: SimulatedProcess, clientId: string, name: string, connected: (link: Link | null) => void): void {
    this.world.at(2 * this.delay(process, name), process, () => {
      if (this.servers.get(name)?.up !== true) return connected(null);
      const link = new Link(this, process, clientId, name);
      this.links.add(link);
      connected(link);
    });
  }

  /** Breaks every link that fits. */
  reset(fits: (link: Link) => boolean): void {
    for (const link of [...this.links]) if (fits(link)) link.break();
  }
}

/** A connection of a process to a server: in order both ways, one request at a time at the server. */
export class Link {
  readonly process: SimulatedProcess;
  /** What the client calls itself. */
  readonly clientId: string;
  readonly name: string;
  /** Called in an event of the process. */
  onClosed: () => void = () => {};
  #open = true;
  #reachesServer = true;
  readonly #network: Network;
  #lastThere = 0;
  #lastBack = 0;
  #busy = false;
  readonly #waiting: Request[] = [];

  constructor(network: Network, process: SimulatedProcess, clientId: string, name: string) {
    this.#network = network;
    this.clientId = clientId;
    this.process = process;
    this.name = name;
  }

  send(request: Request): void {
    const { world } = this.#network;
    this.#lastThere = Math.max(this.#lastThere, world.now + this.#network.delay(this.process, this.name));
    world.at(this.#lastThere - world.now, null, () => {
      if (!this.#reachesServer) return;
      this.#waiting.push(request);
      this.#serve();
    });
  }

  /** The process closes it: what it had sent arrives all the same. */
  close(): void {
    this.#open = false;
    this.#network.links.delete(this);
  }

  /** Reset from outside: nothing more arrives at either end. */
  break(): void {
    this.#reachesServer = false;
    this.#network.links.delete(this);
    const { world } = this.#network;
    world.at(this.#network.delay(this.process, this.name), this.process, () => {
      if (!this.#open) return;
      this.#open = false;
      this.onClosed();
    });
  }

  #serve(): void {
    const server = this.#network.servers.get(this.name);
    const request = this.#waiting[0];
    if (this.#busy || request === undefined || server === undefined || !this.#reachesServer) return;
    this.#waiting.shift();
    const loses = this.#network.lostAnswers > 0 && LOSABLE.has(request.apiKey);
    if (loses) {
      this.#network.lostAnswers -= 1;
      if (this.#network.world.chance.is(0.3)) {
        this.break();
        return;
      }
    }
    this.#busy = true;
    server.handle(request, this, (answer) => {
      this.#busy = false;
      if (loses) return this.break();
      this.#answer(request, answer);
      this.#serve();
    });
  }

  #answer(request: Request, answer: Answer): void {
    const { world } = this.#network;
    this.#lastBack = Math.max(this.#lastBack, world.now + this.#network.delay(this.process, this.name));
    world.at(this.#lastBack - world.now, this.process, () => {
      if (this.#open && this.#reachesServer) request.answered(answer);
    });
  }
}

const networks = new WeakMap<World, Network>();

/** The network by which a world's processes reach its brokers. */
export function kafkaOf(world: World): Network {
  const network = networks.get(world);
  if (network === undefined) throw new Error("this world has no brokers");
  return network;
}

export function giveKafka(world: World, network: Network): void {
  networks.set(world, network);
}
