import type { NetConnectOpts, Socket } from 'node:net';
import type { InetAddress } from '../contract/addresses';
import type { AsyncBackend } from '../contract/backend';

/** Where the tests are defined: the `describe` and `it` of node:test, vitest or mocha. */
export interface TestRunner {
  /** Groups tests. */
  describe(name: string, define: () => void): void;
  /** Defines one test, which fails if the promise of `run` rejects. */
  it(name: string, run: () => Promise<void>): void;
}

/** What a backend, or the platform below it, may be unable to do. */
export type Feature =
  /** Unix sockets in Linux' abstract namespace. */
  | 'abstract names'
  /** Control messages: fds and credentials beside the data. */
  | 'ancillary data'
  /** `getaddrinfo` with `AI_CANONNAME`. */
  | 'canonical names'
  /** The peer's address of a Unix stream that the backend accepted. */
  | 'exact Unix names'
  /** `localPath` of a Unix connection. */
  | 'local Unix paths'
  /** `reusePort`. */
  | 'port sharing'
  /** ECONNRESET after the data that arrived before a reset. */
  | 'resets behind data'
  /** `getaddrinfo` with the name of a service. */
  | 'service names'
  /** `SocketAttribute.socket`, `.options` and `.peerCredentials`. */
  | 'socket options'
  /** A stream that stays whole when a send is cancelled before the kernel took a byte. */
  | 'taking back a send'
  | 'Unix datagrams'
  | 'Unix streams';

/** The backend under test, and what the tests have to know about it. */
export interface ConformanceSubject {
  /** Stands in the names of the tests. */
  readonly name: string;
  /** Makes a new backend for each test. Its clock must be the system's. */
  newBackend(): AsyncBackend;
  /** The numbers that this platform gives AF_*, SOCK_*, AI_* and NI_*. */
  readonly constants: Readonly<Record<string, number>>;
  /**
   * What the backend cannot do. Where a whole operation is missing, the tests check that it rejects
   * with UnsupportedOperationError; where a guarantee is weaker, they check the weaker one.
   */
  readonly lacks?: readonly Feature[];
  /**
   * Sockets made outside of the backend, for the `wrap…` methods. Without this field, the tests of
   * those methods check only what every backend has to refuse.
   */
  readonly sockets?: SocketOffers;
}

/** Sockets for the `wrap…` methods of a backend, by the method that takes them. */
export interface SocketOffers {
  /** For `wrapStreamSocket`. `peer` is the other end: paused, unread, with `allowHalfOpen`. */
  readonly connectedStreams: readonly SocketOffer<{ readonly peer: Socket }>[];
  /** For `wrapListenerSocket`. `address` is where `net.connect` reaches the listening socket. */
  readonly listeningStreams: readonly SocketOffer<{ readonly address: NetConnectOpts }>[];
  /** For `wrapConnectedDatagramSocket`: UDP sockets connected to the given address. */
  readonly connectedDatagrams: readonly SocketOffer<object, [peer: InetAddress]>[];
  /** For `wrapDatagramListenerSocket`: UDP sockets bound to 127.0.0.1. */
  readonly boundDatagrams: readonly SocketOffer[];
  /**
   * What every method refuses. `codes` lists the error codes that it may reject with. The refused
   * socket stays open, and `open` has to arrange that it is closed.
   */
  readonly strangers: readonly SocketOffer<{ readonly codes: readonly string[] }>[];
}

/** One kind of socket, an fd or an object, that a backend can take over. */
export interface SocketOffer<T = object, Given extends readonly unknown[] = []> {
  /** Stands in the name of the test: `the fd of a TCP connection`. */
  readonly name: string;
  /**
   * Makes one. The test closes `socket`; what else was opened is closed by a function given to
   * `test.atEnd`. Must not be a checkpoint: the tests do not call it in a cancelled scope.
   */
  open(test: TestResources, ...given: Given): Promise<{ readonly socket: unknown } & T>;
}

/** What a test gives to a function that opens sockets for it. */
export interface TestResources {
  /** Calls `close` at the end of the test; of several functions, the last one first. */
  atEnd(close: () => unknown): void;
  /** Gives a path in a new folder, where no file is. The folder is removed with the test. */
  freshPath(): string;
}
