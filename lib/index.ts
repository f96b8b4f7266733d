/** The public surface: re-exports, nothing else. */
export type { AsyncBackend, HostPort } from './contract/backend';
export { type BuiltinBackendName, ensureBackend, newBuiltinBackend } from './backends/builtin';
export type { Awaitable } from './concurrency/awaitable';
export type { CancelScope } from './concurrency/cancel-scope';
export type { BootstrapOptions } from './concurrency/bootstrap';
export type { Alarm, Clock } from './concurrency/clock';
export {
  ConcurrencyBackend,
  type CancelScopeOptions,
  type ConcurrencyOptions,
} from './concurrency/backend';
export type { ICondition } from './concurrency/condition';
export type { IEvent } from './concurrency/event';
export type { ILock } from './concurrency/lock';
export { setDebug } from './concurrency/debug';
export type {
  ScopeCancelMessage,
  ScopeTimeoutMessage,
  TaskEndMessage,
  TaskStartMessage,
} from './concurrency/diagnostics';
export type { Task } from './concurrency/task';
export type { TaskGroup } from './concurrency/task-group';
export type { TaskOptions } from './concurrency/task-node';
export type { TaskInfo } from './contract/tasks';
export { formatTaskTree, taskTree, type TaskTreeNode } from './concurrency/task-tree';
export type { TimeoutScope } from './concurrency/timeout-scope';
export type { AddrInfo, AddrInfoHints } from './contract/address-info';
export {
  AttributeLookupError,
  BusyResourceError,
  CancelledError,
  ClosedResourceError,
  InvalidStateError,
  type ResolverError,
  type SystemError,
  type SystemErrorTarget,
  TimeoutError,
  UnsupportedOperationError,
} from './errors';
export type { Bytes } from './contract/bytes';
export type { EnvironmentListener } from './networking/socket-activation';
export type { AsyncDatagramListener, AsyncListener } from './contract/listeners';
export type { InetAddress, RawAddress, SocketAddress, UnixPath } from './socket/address';
export {
  type AncillaryData,
  ancillaryBufferSize,
  closeReceivedFds,
  type ControlMessage,
  type PeerCredentials,
} from './socket/ancillary';
export type { ReceivedMessage, SendMessageOptions } from './socket/message';
export { nativeInfo, type NativeInfo } from './socket/native-info';
export { type KeepAlive, SocketOptions } from './socket/options';
export { constants } from './socket/platform-constants';
export { Socket } from './socket/socket';
export type { TcpInfo, TcpState } from './socket/tcp-info';
export { AsyncExecutor } from './threads/async-executor';
export {
  connectThreadsPortal,
  type PortalCall,
  type PortalConnection,
} from './threads/connect-portal';
export type { PortalHandle } from './threads/portal-protocol';
export type { ThreadFunction } from './threads/thread-function';
export type { RunInThreadOptions, ThreadPoolOptions } from './threads/thread-pool';
export { type BackendOptions, ThreadedBackend } from './threads/threaded-backend';
export type { PortalFunctions, ThreadsPortal } from './threads/threads-portal';
export { transferResult } from './threads/transfer';
export { acloseForcefully } from './transports/aclose-forcefully';
export { SocketAttribute, type TypedAttribute, typedAttribute } from './transports/attributes';
export {
  type AsyncDatagramReadTransport,
  type AsyncDatagramWriteTransport,
  StapledDatagramTransport,
  StapledStreamTransport,
} from './transports/stapled';
export type {
  AsyncBaseTransport,
  AsyncDatagramTransport,
  AsyncStreamReadTransport,
  AsyncStreamTransport,
  AsyncStreamWriteTransport,
} from './contract/transports';
