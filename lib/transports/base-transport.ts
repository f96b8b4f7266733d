import type { TypedAttribute } from '../contract/attributes';
import type { AsyncBackend } from '../contract/backend';
import type { Awaitable } from '../contract/tasks';
import type { AsyncBaseTransport } from '../contract/transports';
import { acloseForcefully } from './aclose-forcefully';
import { type AttributeGetters, lookUp } from './attributes';

const NO_ATTRIBUTES: AttributeGetters = new Map();

/**
 * The base of custom transports and listeners, with what they have in common. A stream extends
 * `BaseStreamTransport`, a datagram transport `BaseDatagramTransport` (or a half of either); this
 * class itself is for other resources that have `aclose()` and `backend()`.
 *
 * **Ownership.** It owns the transports that it wraps: `aclose` closes them.
 */
export abstract class BaseTransport implements AsyncBaseTransport {
  readonly #backend: AsyncBackend;
  readonly #wrapped: readonly AsyncBaseTransport[];
  #isClosing = false;

  /**
   * @param wrapped the transports that this one stands on. `extra` asks them in this order, and
   *   `aclose` closes them in reverse.
   */
  constructor(backend: AsyncBackend, wrapped: readonly AsyncBaseTransport[] = []) {
    this.#backend = backend;
    this.#wrapped = wrapped;
  }

  aclose(): Promise<void> {
    this.#isClosing = true;
    return this.#close();
  }

  /** True once `aclose` was called, or once all transports that this one wraps are closing. */
  isClosing(): boolean {
    return (
      this.#isClosing ||
      (this.#wrapped.length > 0 && this.#wrapped.every((transport) => transport.isClosing()))
    );
  }

  backend(): AsyncBackend {
    return this.#backend;
  }

  /** An attribute of this transport or, if it has none, of the first wrapped one that has it. */
  extra<T>(attribute: TypedAttribute<T>, fallback?: T): T {
    return lookUp(this.attributes(), attribute, fallback, this.#wrapped);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.aclose();
  }

  /**
   * Closes what this transport stands on; every `aclose` calls it, the second one, too. By default,
   * it closes the wrapped transports, the last one first: if one fails or is cancelled, the rest is
   * closed forcefully, and the error goes on.
   *
   * An override that returns a promise has to be a checkpoint: in a cancelled scope it closes at
   * once and rejects. After one that returns undefined, `aclose` makes a checkpoint of its own.
   */
  protected close(): Awaitable<void> {
    return this.#wrapped.length > 0 ? closeInReverse(this.#wrapped) : undefined;
  }

  /** The attributes of this transport itself. A getter that throws: not available at present. */
  protected attributes(): AttributeGetters {
    return NO_ATTRIBUTES;
  }

  async #close(): Promise<void> {
    // The promise of a backend or of wrapped transports may be of any class.
    await (this.close() ?? this.#backend.coroYield());
  }
}

async function closeInReverse(transports: readonly AsyncBaseTransport[]): Promise<void> {
  const left = [...transports];
  for (let last = left.pop(); last !== undefined; last = left.pop()) {
    try {
      await last.aclose();
    } catch (error) {
      for (const transport of left.reverse()) await acloseForcefully(transport);
      throw error;
    }
  }
}
