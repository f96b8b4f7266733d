/**
 * A cancel scope: its settings and its state. A shield is a scope, too, which cannot be cancelled.
 */
export class Scope {
  parent: Scope | null = null;
  cancelCalled = false;
  state: 'new' | 'entered' | 'leaving' | 'left' = 'new';
  /** Whether it is open if this scope counts as cancelled: a scope around it is. */
  mayBeCalled = false;
  /**
   * The scope was left while a scope around it was cancelled, too. The outer scope owns its errors
   * from then on, in whatever way they arrive.
   */
  passedOn = false;
  /** 'either' where the contract leaves it open. */
  cancelledCaught: boolean | 'either' = false;
  /** The scope whose cancellation aborted the signal. */
  abortedBy: Scope | null = null;

  constructor(
    readonly name: string,
    public deadline: number,
    /** The AbortController that cancels the scope. */
    readonly controller: number | null = null,
    readonly isShield = false,
  ) {}

  /** Before the scope is entered, its signal may or may not have cancelled it. */
  acceptsCalled(called: boolean): boolean {
    return (
      called === this.cancelCalled ||
      this.mayBeCalled ||
      (this.state === 'new' && this.controller !== null)
    );
  }

  /** All state of the scope that future events depend on. */
  fingerprint(): string {
    const {
      name,
      cancelCalled,
      passedOn,
      mayBeCalled,
      state,
      cancelledCaught,
      abortedBy,
      deadline,
    } = this;
    return [
      name,
      cancelCalled,
      passedOn,
      mayBeCalled,
      state,
      cancelledCaught,
      abortedBy?.name,
      deadline,
    ].join(' ');
  }

  get isOpen(): boolean {
    return this.state === 'entered' || this.state === 'leaving';
  }
}

/**
 * The scopes whose cancellations reach a wait in the given scope: from that one outwards, up to and
 * including the first shield.
 */
export function* reaching(scope: Scope | null): Generator<Scope> {
  for (let at = scope; at !== null; at = at.isShield ? null : at.parent) yield at;
}

/**
 * The scope whose cancellation a checkpoint here rejects with: the outermost of those that are
 * cancelled.
 */
export function cancellerOf(scope: Scope | null): Scope | null {
  let outermost: Scope | null = null;
  for (const one of reaching(scope)) if (one.cancelCalled) outermost = one;
  return outermost;
}

/** Whether the scope is `at` or around it. Shields in between make no difference. */
export function isAround(scope: Scope | null, at: Scope): boolean {
  for (let one: Scope | null = at; one !== null; one = one.parent) if (one === scope) return true;
  return false;
}

/** Whether `scope` may absorb the errors of `owner`. */
export function belongsTo(owner: Scope | null, scope: Scope): boolean {
  return owner === scope || (owner !== null && owner.passedOn && isAround(scope, owner));
}
