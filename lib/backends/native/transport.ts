import { checkInteger } from '../../arguments/validate';
import { nativeBinding } from '../../binding';
import type { PeerCredentials } from '../../contract/ancillary';
import type { TypedAttribute } from '../../contract/attributes';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncBaseTransport } from '../../contract/transports';
import { AttributeLookupError, systemError, UnsupportedOperationError } from '../../errors';
import type { Descriptor } from '../../socket/descriptor';
import { closeWhenCollected, forgetCollected } from '../../socket/leaks';
import { SocketOptions } from '../../socket/options';
import { NativeSocket } from '../../socket/socket';
import { type AttributeGetters, lookUp, SocketAttribute } from '../../transports/attributes';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, Operation } from '../../waiting/operation';

/** Waits for the send under way, then closes. */
class GracefulClose extends Operation<void> {
  readonly #transport: NativeTransport;

  constructor(transport: NativeTransport) {
    super();
    this.#transport = transport;
  }

  describe(): string {
    return `aclose on fd ${String(this.#transport.descriptor.fd)}`;
  }

  /** Cancelled: what was to be waited for is cut off. */
  protected withdraw(): void {
    this.#transport.closing?.delete(this);
    this.#transport.closeNow();
  }
}

/**
 * What every transport and listener on a socket does alike: it owns a descriptor, closes it, and
 * knows its attributes.
 */
export abstract class NativeTransport implements AsyncBaseTransport, Disposable {
  /** @internal */
  readonly descriptor: Descriptor;
  /** Made when it is needed: an idle connection is small. @internal */
  closing: Set<GracefulClose> | null = null;
  readonly #backend: AsyncBackend;
  readonly #onClose: (() => void) | null;
  #socket: NativeSocket | null;
  #isClosing = false;

  /**
   * @param socket the Socket it was made from, if there was one: it watches over the fd then
   * @param onClose runs when this closes its fd: the socket file of a Unix socket goes then. Not if
   *   the fd was detached: it lives on elsewhere
   */
  protected constructor(
    backend: AsyncBackend,
    descriptor: Descriptor,
    what: string,
    socket: NativeSocket | null,
    onClose: (() => void) | null,
  ) {
    this.#backend = backend;
    this.descriptor = descriptor;
    descriptor.claimed = true;
    this.#socket = socket;
    this.#onClose = onClose;
    if (socket === null) closeWhenCollected(this, descriptor, what);
  }

  aclose(): Promise<void> {
    this.#isClosing = true;
    const scope = currentScope();
    if (isCancelled(scope)) {
      this.closeNow();
      return cancelled(scope);
    }
    const { descriptor } = this;
    if (!this.isSending()) {
      this.closeNow();
      return Promise.resolve();
    }
    descriptor.stopReading();
    descriptor.onWriteEnd = () => {
      if (!this.isSending()) this.closeNow();
    };
    const operation = new GracefulClose(this).enter(scope);
    (this.closing ??= new Set()).add(operation);
    return operation.promise;
  }

  isClosing(): boolean {
    return this.#isClosing || this.descriptor.fd < 0;
  }

  backend(): AsyncBackend {
    return this.#backend;
  }

  extra<T>(attribute: TypedAttribute<T>, fallback?: T): T {
    return lookUp(this.getters(), attribute, fallback);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.aclose();
  }

  /** What a task does to the transport that it owns, if it fails. @internal */
  [Symbol.dispose](): void {
    this.closeNow();
  }

  /** Closes without waiting; whoever waits on it gets ClosedResourceError. @internal */
  closeNow(): void {
    const { descriptor } = this;
    descriptor.onWriteEnd = null;
    if (descriptor.fd >= 0) {
      this.#onClose?.();
      forgetCollected(descriptor);
      descriptor.close();
    }
    if (this.closing === null) return;
    for (const operation of this.closing) operation.settle();
    this.closing = null;
  }

  /** Whether a graceful close has a send to wait for. */
  protected isSending(): boolean {
    return this.descriptor.writer !== null;
  }

  private getters(): AttributeGetters {
    return new Map<TypedAttribute<unknown>, () => unknown>([
      [SocketAttribute.socket, () => this.asSocket()],
      [SocketAttribute.family, () => this.descriptor.kind.family],
      [SocketAttribute.localAddress, () => this.asSocket().localAddress()],
      [SocketAttribute.remoteAddress, () => this.asSocket().remoteAddress()],
      [SocketAttribute.peerCredentials, () => this.peerCredentials()],
      [SocketAttribute.options, () => new SocketOptions(this.asSocket())],
    ]);
  }

  /**
   * @throws UnsupportedOperationError on TCP, which carries no control messages; RangeError for a
   *   size that is none
   */
  protected checkAncillary(name: string, size: number): void {
    checkInteger(name, size, 0, 0x7fffffff);
    if (
      this.descriptor.kind.isInet &&
      this.descriptor.kind.type === nativeBinding().constants['SOCK_STREAM']
    ) {
      throw new UnsupportedOperationError(
        'This transport does not have ancillary data support: TCP carries none',
      );
    }
  }

  private asSocket(): NativeSocket {
    if (this.#socket === null) {
      const { descriptor } = this;
      if (descriptor.fd < 0) throw new AttributeLookupError('the transport is closed');
      // From now on the socket watches over the fd, since it may outlive this transport.
      forgetCollected(descriptor);
      this.#socket = NativeSocket.fromDescriptor(descriptor);
    }
    return this.#socket;
  }

  private peerCredentials(): PeerCredentials {
    const { descriptor } = this;
    if (descriptor.kind.isInet)
      throw new UnsupportedOperationError('Only Unix sockets know the credentials of their peer');
    const result = new Int32Array(3);
    const status = nativeBinding().peerCredentials(descriptor.fd, result);
    if (status < 0) throw systemError(status, 'getsockopt');
    const [pid = -1, uid = -1, gid = -1] = result;
    return { pid, uid: uid >>> 0, gid: gid >>> 0 };
  }
}
