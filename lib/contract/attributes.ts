/** The key of an attribute. Keys are compared by identity; `T` is the type of the value. */
export interface TypedAttribute<T> {
  readonly name: string;
  readonly type?: T;
}
