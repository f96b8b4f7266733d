/**
 * A cancel scope: what it was told, and what came of it. A shield is one too, that nobody can
 * cancel.
 */
export class Scope {
  parent: Scope | null = null;
  cancelCalled = false;
  state: 'new' | 'entered' | 'leaving' | 'left' = 'new';
  /** Whether it counts as cancelled itself, though it is only known that a scope around it is. */
  mayBeCalled = false;
  /**
   * It was left while a scope around it was cancelled as well: its errors are that one's from then
   * on, whichever way they come.
   */
  passedOn = false;
  /** 'either': the contract leaves it open. */
  cancelledCaught: boolean | 'either' = false;
  /** Whose cancellation made its signal abort. */
  abortedBy: Scope | null = null;

  constructor(
    readonly name: string,
    public deadline: number,
    /** Which AbortController cancels it. */
    readonly controller: number | null = null,
    readonly isShield = false,
  ) {}

  /** Before it is entered, its signal may or may not have cancelled it. */
  acceptsCalled(called: boolean): boolean {
    return (
      called === this.cancelCalled ||
      this.mayBeCalled ||
      (this.state === 'new' && this.controller !== null)
    );
  }

  /** All that matters of it for what may yet happen. */
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
 * The scopes from the given one outwards, up to and with the first shield: those that reach what
 * waits in it.
 */
export function* reaching(scope: Scope | null): Generator<Scope> {
  for (let at = scope; at !== null; at = at.isShield ? null : at.parent) yield at;
}

/**
 * The scope whose cancellation it is that a checkpoint feels here: of those that are cancelled, the
 * outermost.
 */
export function cancellerOf(scope: Scope | null): Scope | null {
  let outermost: Scope | null = null;
  for (const one of reaching(scope)) if (one.cancelCalled) outermost = one;
  return outermost;
}

/** Whether the scope is one of those around `at`, shields or not, or `at` itself. */
export function isAround(scope: Scope | null, at: Scope): boolean {
  for (let one: Scope | null = at; one !== null; one = one.parent) if (one === scope) return true;
  return false;
}

/** Whether errors of `owner` are for `scope` to absorb. */
export function belongsTo(owner: Scope | null, scope: Scope): boolean {
  return owner === scope || (owner !== null && owner.passedOn && isAround(scope, owner));
}
