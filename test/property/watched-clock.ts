import type { Alarm } from '#lib/contract/clock';
import { VirtualClock } from '#lib/testing/virtual-clock';

/**
 * A virtual clock that moves only when the test says so, and knows whether an alarm is still set or
 * held.
 */
export class WatchedClock extends VirtualClock {
  readonly #alarms: { deadline: number; held: boolean }[] = [];

  constructor() {
    super({ autojump: false });
  }

  override createAlarm(ring: () => void): Alarm {
    const state = { deadline: Infinity, held: false };
    this.#alarms.push(state);
    const alarm = super.createAlarm(() => {
      state.deadline = Infinity;
      ring();
    });
    return {
      set: (deadline) => {
        state.deadline = deadline;
        alarm.set(deadline);
      },
      hold: (on) => {
        state.held = on;
        alarm.hold(on);
      },
    };
  }

  leftovers(): string[] {
    return this.#alarms.flatMap(({ deadline, held }) => [
      ...(held ? ['the clock is still held'] : []),
      ...(deadline === Infinity ? [] : [`the alarm is still set to ${String(deadline)}`]),
    ]);
  }
}
