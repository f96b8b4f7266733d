/**
 * A bound on tasks that run at once. Its owner calls `take` for each task that it starts, and
 * starts none while `isFull`. A task of this library's groups that has the limit as its `owns`
 * gives the place back at its end, however it ends; code around other tasks calls `release`.
 */
export class TaskLimit implements Disposable {
  /** Called when there is room again, or when waiting for it is in vain: the owner looks again. */
  onChange: (() => void) | null = null;
  #max: number;
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get max(): number {
    return this.#max;
  }

  set max(max: number) {
    this.#max = max;
    if (!this.isFull) this.onChange?.();
  }

  get running(): number {
    return this.#running;
  }

  get isFull(): boolean {
    return this.#running >= this.#max;
  }

  /** How many tasks may be started now, at least 0. */
  get room(): number {
    return Math.max(this.#max - this.#running, 0);
  }

  take(): void {
    this.#running++;
  }

  release(): void {
    this.#running--;
    if (this.onChange !== null && !this.isFull) this.onChange();
  }

  /** A task that owns a place has failed, or was cancelled. */
  [Symbol.dispose](): void {
    this.release();
  }
}
