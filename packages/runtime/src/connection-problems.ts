import { type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { Failure, type FailureCode, problemDocument } from "@plugboard/contract";

/** What Node's parser says, for what it means to the caller; everything else it says is a request that is not HTTP. */
const CODES: Readonly<Record<string, FailureCode>> = {
  HPE_HEADER_OVERFLOW: "headers-too-large",
  ERR_HTTP_REQUEST_TIMEOUT: "request-timeout",
};

/**
 * How long a caller has to read why its connection ends, milliseconds. Closing at once, with what it still sends unread,
 * would reset the connection and take the answer with it; waiting for its own end would let it hold a socket for ever.
 */
const LINGER_MS = 1_000;

/**
 * Answers what never became a request with a problem document, as everything else is, and ends the connection.
 *
 *   nothing under way                    ──► told on the connection, which then ends
 *   a request whose body breaks off      ──► told in place of its answer, unless that has begun
 *   a whole request, then what is none   ──► the request's own answer, and then the connection ends
 *   CONNECT, which asks for a proxy      ──► told on the connection, which then ends
 */
export function answerConnectionProblems(server: Server): void {
  const latest = new WeakMap<Duplex, ServerResponse>();
  const ending = new WeakSet<Duplex>();
  server.prependListener("request", (request, response) => {
    latest.set(request.socket, response);
  });
  server.on("clientError", (error: Error & { code?: string }, socket: Duplex) => {
    // What comes after the first mistake is read as mistakes, too; it was answered.
    if (ending.has(socket)) return;
    ending.add(socket);
    const response = latest.get(socket);
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
    if (response === undefined || response.writableFinished) return tell(error.code, socket);
    if (response.req.complete) return void response.once("close", () => end(socket));
    // Another answer of this connection may be under way before it, or its own: text between would be read as theirs.
    if (response.headersSent || response.socket !== socket) return void socket.destroy();
    tell(error.code, socket);
  });
  server.on("connect", (_request: unknown, socket: Duplex) => {
    // It is nobody's any more, so an error of it would end the process.
    socket.on("error", () => socket.destroy());
    tell(undefined, socket);
  });
}

function tell(code: string | undefined, socket: Duplex): void {
  const failure = new Failure(CODES[code ?? ""] ?? "invalid-input", "the request is not HTTP as it should be");
  const body = JSON.stringify(problemDocument(failure));
  const head = [
    `HTTP/1.1 ${failure.status} ${STATUS_CODES[failure.status]}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  end(socket, [...head, "", body].join("\r\n"));
}

function end(socket: Duplex, text = ""): void {
  socket.end(text);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
