/**
 * What one of Node's sockets knows of its transport or listener. An open socket is never collected.
 * If its listeners referred to the transport, a transport that nobody closes would not be collected
 * either, and its fd would stay open for good. So they refer to this link, which holds the
 * transport weakly, except while a receive waits.
 */
export class Link<out T extends object> {
  readonly #weak: WeakRef<T>;
  #held: T | undefined = undefined;

  constructor(target: T) {
    this.#weak = new WeakRef(target);
  }

  /** Undefined once the transport is collected. */
  get target(): T | undefined {
    return this.#held ?? this.#weak.deref();
  }

  /** From now on the transport is not collected. */
  hold(): void {
    this.#held = this.#weak.deref();
  }

  release(): void {
    this.#held = undefined;
  }
}
