/**
 * Any view of memory: TypedArray, DataView or Buffer, also over a SharedArrayBuffer or a resizable
 * buffer.
 */
export type Bytes = ArrayBufferView;
