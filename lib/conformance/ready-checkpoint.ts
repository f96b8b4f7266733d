import type { Scenario } from './scenario';

/** A checkpoint that need not wait: it resolves, or rejects, without an event of the loop. */
export interface ReadyCheckpoint {
  /** For the name of the test. */
  readonly name: string;
  /** Makes ready what the checkpoint needs, and returns the call to repeat. */
  readonly prepare: (scenario: Scenario) => Promise<() => Promise<unknown>>;
  /** The call lets the event loop go on, but does not itself reject when it is cancelled. */
  readonly isNoCheckpoint?: true;
}
