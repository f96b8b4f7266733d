/**
 * The small language of the property test. A program is a tree of statements. It is generated at
 * random, run by the library (`run.ts`), and judged by the reference model (`model/`). Each
 * statement runs at most once, and its `id` names what it makes: scope `s3`, group `g4`, task `t5`,
 * error `E6`, value `v7`.
 */
export type Block = readonly Statement[];

/** A statement that may wait, and does nothing more. */
export type Checkpoint =
  | { readonly type: 'sleep'; readonly id: number; readonly delay: number }
  | { readonly type: 'sleepUntil'; readonly id: number; readonly deadline: number }
  | { readonly type: 'sleepForever'; readonly id: number }
  | { readonly type: 'yield'; readonly id: number; readonly shielded: boolean }
  | { readonly type: 'waitEvent'; readonly id: number; readonly event: number }
  | { readonly type: 'waitFor'; readonly id: number; readonly promise: number };

export type ScopeKind = 'moveOnAfter' | 'moveOnAt' | 'timeout' | 'timeoutAt' | 'openCancelScope';
export type AfterCatch =
  | 'swallow'
  | 'rethrow'
  | 'replace'
  | 'blame'
  | 'wrap'
  | 'wrap alone'
  | 'cancel anew'
  | 'cancel because';

export interface ScopeStatement {
  readonly type: 'scope';
  readonly id: number;
  readonly kind: ScopeKind;
  /** The delay or the deadline. */
  readonly time: number;
  /** The AbortController of the signal that `openCancelScope` gets; no signal if null. */
  readonly signal: number | null;
  /** Statements between the creation of the scope and its entry. */
  readonly before: Block;
  readonly body: Block;
}

/**
 * A reference to a scope, a group or a task is the id of the statement that makes it. If that does
 * not exist yet at run time, the statement does nothing.
 */
export type Statement =
  | Checkpoint
  /** Several checkpoints at once in one task, by `Promise.allSettled`. */
  | { readonly type: 'together'; readonly id: number; readonly parts: readonly Checkpoint[] }
  | ScopeStatement
  | { readonly type: 'shield'; readonly id: number; readonly body: Block }
  | { readonly type: 'cancel'; readonly id: number; readonly scope: number }
  | {
      readonly type: 'reschedule';
      readonly id: number;
      readonly scope: number;
      readonly delay: number;
    }
  | { readonly type: 'observe'; readonly id: number; readonly scope: number }
  | { readonly type: 'abort'; readonly id: number; readonly controller: number }
  | { readonly type: 'group'; readonly id: number; readonly body: Block }
  | {
      readonly type: 'startSoon';
      readonly id: number;
      readonly group: number;
      readonly body: Block;
    }
  | { readonly type: 'start'; readonly id: number; readonly group: number; readonly body: Block }
  | { readonly type: 'gather'; readonly id: number; readonly bodies: readonly Block[] }
  | {
      readonly type: 'task';
      readonly id: number;
      readonly call: 'cancel' | 'done' | 'cancelled';
      readonly task: number;
    }
  | {
      readonly type: 'await';
      readonly id: number;
      readonly call: 'wait' | 'join' | 'joinOrCancel';
      readonly task: number;
    }
  | {
      readonly type: 'lock';
      readonly id: number;
      readonly lock: number;
      readonly how: 'release' | 'guard' | 'runExclusive';
      readonly body: Block;
    }
  | { readonly type: 'release'; readonly id: number; readonly lock: number }
  | { readonly type: 'set'; readonly id: number; readonly event: number }
  /** The task holds the lock of the condition while the body runs. */
  | {
      readonly type: 'condition';
      readonly id: number;
      readonly condition: number;
      readonly body: Block;
    }
  | { readonly type: 'waitCondition'; readonly id: number; readonly condition: number }
  /** Notifies `count` waiting tasks, or all of them if null. */
  | {
      readonly type: 'notify';
      readonly id: number;
      readonly condition: number;
      readonly count: number | null;
    }
  /** Settles the promise that `waitFor` waits for. */
  | {
      readonly type: 'settle';
      readonly id: number;
      readonly promise: number;
      readonly how: 'resolve' | 'reject';
    }
  /**
   * Throws an error of the program, or a CancelledError that belongs to no scope, or the AbortError
   * of Node.js for the signal of a scope, if that is aborted.
   */
  | { readonly type: 'throw'; readonly id: number; readonly what: 'error' | 'CancelledError' }
  | { readonly type: 'throwAbort'; readonly id: number; readonly scope: number }
  | {
      readonly type: 'try';
      readonly id: number;
      readonly body: Block;
      /** Whether cancellations are caught, too. */
      readonly all: boolean;
      readonly handler: Block;
      readonly then: AfterCatch;
    }
  | {
      readonly type: 'finally';
      readonly id: number;
      readonly body: Block;
      readonly finalizer: Block;
    };

export interface Program {
  /** Whether `bootstrap` gets the signal of controller 0. */
  readonly signal: boolean;
  readonly body: Block;
}

/**
 * Every program ends by this time, unless it is stuck in a shield. Its whole body runs
 * in a `moveOnAfter(HORIZON)`, which is scope 0.
 */
export const HORIZON = 1_000;

export const EVENTS = 3;
export const PROMISES = 2;
export const CONTROLLERS = 2;
/** Lock 0 is plain, lock 1 is fair, lock 2 is the one that the last condition made itself. */
export const LOCKS = ['plain', 'fair', 'plain'] as const;
/** The lock of each condition. */
export const CONDITIONS = [0, 1, 2] as const;

/**
 * An event that was observed in a running program, at its virtual time. The library caused it, and
 * the model must allow it.
 */
export interface TraceEvent {
  readonly time: number;
  readonly task: string;
  readonly node: number;
  readonly what: string;
}

export interface ScopeFlags {
  readonly cancelCalled: boolean;
  readonly cancelledCaught: boolean;
}

/** All observations of one program. */
export interface Observation {
  readonly trace: readonly TraceEvent[];
  /** Scopes, those of groups included, by the id of the statement that made them. */
  readonly scopes: ReadonlyMap<number, ScopeFlags>;
  /** The ends of all tasks that were started with a handle. */
  readonly tasks: ReadonlyMap<number, string>;
  /** Whether all tasks wait for ever: no deadline is left, and none is ready. */
  readonly stuck: boolean;
}
