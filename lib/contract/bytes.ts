/**
 * Any view of memory: a TypedArray, a DataView or a Buffer, over a SharedArrayBuffer or a resizable
 * buffer, too.
 */
export type Bytes = ArrayBufferView;
