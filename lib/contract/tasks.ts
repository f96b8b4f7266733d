/** Which task: for logs and comparisons. The ids of two tasks of one thread differ. */
export interface TaskInfo {
  readonly id: number;
  readonly name: string;
}
