import { checkInteger } from '../../arguments/validate';
import { nativeBinding } from '../../binding';
import type { PeerCredentials } from '../../contract/ancillary';
import type { TypedAttribute } from '../../contract/attributes';
import type { AsyncBackend } from '../../contract/backend';
import type { AsyncBaseTransport } from '../../contract/transports';
import { ClosedResourceError, systemError, UnsupportedOperationError } from '../../errors';
import type { Descriptor } from '../../socket/descriptor';
import { closeWhenCollected, forgetCollected } from '../../socket/leaks';
import { SocketOptions } from '../../socket/options';
import { NativeSocket } from '../../socket/socket';
import { type AttributeGetters, lookUp, SocketAttribute } from '../../transports/attributes';
import { currentScope } from '../../waiting/context';
import { cancelled, isCancelled, Operation, resolved } from '../../waiting/operation';

/** Waits until the transport has closed: for the send under way, and for its delivery. */
class GracefulClose extends Operation<void> {
  readonly #transport: NativeTransport;

  constructor(transport: NativeTransport) {
    super();
    this.#transport = transport;
  }

  describe(): string {
    return `aclose on fd ${String(this.#transport.descriptor.fd)}`;
  }

  /** Cancelled: the transport closes at once, and ends the send. */
  protected withdraw(): void {
    this.#transport.closing?.delete(this);
    this.#transport.closeNow();
  }
}

/**
 * The base of all transports and listeners of this backend: owns a descriptor, closes it, and gives
 * its attributes.
 */
export abstract class NativeTransport implements AsyncBaseTransport, Disposable {
  /** @internal */
  readonly descriptor: Descriptor;
  /** Null until a close has to wait: an idle connection is to be small. @internal */
  closing: Set<GracefulClose> | null = null;
  readonly #backend: AsyncBackend;
  readonly #onClose: (() => void) | null;
  #socket: NativeSocket | null;
  #isClosing = false;

  /**
   * @param what names this object in the warning if it is collected while it is open
   * @param socket the Socket that this was made from, if any. Its collection then closes the fd.
   * @param onClose called when this closes its fd: removes the file of a Unix socket. Not called if
   *   the fd was detached, and so remains open elsewhere.
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
    if (this.isSending()) {
      descriptor.stopReading();
      descriptor.onWriteEnd = () => {
        if (!this.isSending() && !this.lingers()) this.closeNow();
      };
    } else if (!this.lingers()) {
      this.closeNow();
      return resolved(undefined);
    }
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

  /** Closes at once: for a task that owns the transport and fails. @internal */
  [Symbol.dispose](): void {
    this.closeNow();
  }

  /** Closes at once. Operations that wait reject with ClosedResourceError. @internal */
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

  /** Whether a graceful close must wait for a send. */
  protected isSending(): boolean {
    return this.descriptor.writer !== null;
  }

  /**
   * Whether a graceful close must wait although no send is under way. If so, the wait has begun,
   * and ends in `closeNow`.
   */
  protected lingers(): boolean {
    return false;
  }

  private getters(): AttributeGetters {
    return new Map<TypedAttribute<unknown>, () => unknown>([
      [SocketAttribute.socket, () => this.asSocket()],
      [SocketAttribute.family, () => this.descriptor.type.family],
      [SocketAttribute.localAddress, () => this.asSocket().localAddress()],
      [SocketAttribute.remoteAddress, () => this.asSocket().remoteAddress()],
      [SocketAttribute.peerCredentials, () => this.peerCredentials()],
      [SocketAttribute.options, () => new SocketOptions(this.asSocket())],
    ]);
  }

  /**
   * @throws UnsupportedOperationError on TCP, which carries no control messages; RangeError for an
   *   invalid size
   */
  protected checkAncillary(name: string, size: number): void {
    checkInteger(name, size, 0, 0x7fffffff);
    if (this.descriptor.type.isInet && this.descriptor.type.isStream) {
      throw new UnsupportedOperationError(
        'This transport does not have ancillary data support: TCP carries none',
      );
    }
  }

  private asSocket(): NativeSocket {
    if (this.#socket === null) {
      const { descriptor } = this;
      if (descriptor.fd < 0) throw closedAttributes();
      // From now on the collection of the socket closes the fd: it may outlive this transport.
      forgetCollected(descriptor);
      this.#socket = NativeSocket.fromDescriptor(descriptor);
    }
    return this.#socket;
  }

  private peerCredentials(): PeerCredentials {
    const { descriptor } = this;
    if (descriptor.type.isInet)
      throw new UnsupportedOperationError('Only Unix sockets know the credentials of their peer');
    if (descriptor.fd < 0) throw closedAttributes();
    const result = new Int32Array(3);
    const status = nativeBinding().peerCredentials(descriptor.fd, result);
    if (status < 0) throw systemError(status, 'getsockopt');
    const [pid = -1, uid = -1, gid = -1] = result;
    return { pid, uid: uid >>> 0, gid: gid >>> 0 };
  }
}

function closedAttributes(): ClosedResourceError {
  return new ClosedResourceError('The transport is closed: read its attributes before');
}
