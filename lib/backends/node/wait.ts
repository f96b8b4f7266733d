import { Operation } from '../../waiting/operation';

/** A checkpoint that one of Node's callbacks ends. */
export class Wait<T> extends Operation<T> {
  readonly #description: string;
  readonly #giveUp: () => void;

  /** @param giveUp called when it is cancelled: takes back what was begun */
  constructor(description: string, giveUp: () => void) {
    super();
    this.#description = description;
    this.#giveUp = giveUp;
  }

  describe(): string {
    return this.#description;
  }

  protected withdraw(): void {
    this.#giveUp();
  }
}
