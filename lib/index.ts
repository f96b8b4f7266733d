/** The public surface: re-exports, nothing else. */
export type {
  AddrInfo,
  AddrInfoHints,
  HostPort,
  InetAddress,
  RawAddress,
  SocketAddress,
  UnixPath,
} from './contract/addresses';
export type { AncillaryData, ControlMessage, PeerCredentials } from './contract/ancillary';
export type { TypedAttribute } from './contract/attributes';
export type { AsyncBackend } from './contract/backend';
export type { Bytes } from './contract/bytes';
export type { Alarm, Clock } from './contract/clock';
export type { Concurrency, Gathered } from './contract/concurrency';
export type {
  AsyncDatagramListener,
  AsyncListener,
  EnvironmentListener,
  ServeOptions,
} from './contract/listeners';
export type { ICondition, IEvent, ILock } from './contract/locks';
export type { CancelScope, CancelScopeOptions, TimeoutScope } from './contract/scopes';
export type { ReceivedMessage, SendMessageOptions, SocketConstructor } from './contract/socket';
export type {
  Awaitable,
  BootstrapOptions,
  Task,
  TaskGroup,
  TaskInfo,
  TaskOptions,
} from './contract/tasks';
export type {
  PortalCall,
  PortalConnection,
  PortalFunctions,
  PortalHandle,
  RunInThreadOptions,
  ThreadFunction,
  ThreadsPortal,
} from './contract/threads';
export type {
  AsyncBaseTransport,
  AsyncDatagramReadTransport,
  AsyncDatagramTransport,
  AsyncDatagramWriteTransport,
  AsyncStreamReadTransport,
  AsyncStreamTransport,
  AsyncStreamWriteTransport,
} from './contract/transports';
export {
  type BuiltinBackendName,
  ensureBackend,
  isAsyncBackend,
  newBuiltinBackend,
} from './backends/builtin';
export { ConcurrencyBackend, type ConcurrencyOptions } from './concurrency/backend';
export type {
  ScopeCancelMessage,
  ScopeTimeoutMessage,
  TaskEndMessage,
  TaskStartMessage,
} from './concurrency/diagnostics';
export { outsideOfScopes } from './concurrency/outside-of-scopes';
export { formatTaskTree, taskTree, type TaskTreeNode } from './concurrency/task-tree';
export { setDebug } from './debug';
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
export { BaseDatagramListener, BaseListener } from './networking/base-listener';
export { isPeerError } from './networking/is-peer-error';
export { ancillaryBufferSize, closeReceivedFds, takeReceivedFd } from './socket/ancillary';
export { nativeInfo, type NativeInfo } from './socket/native-info';
export { type KeepAlive, SocketOptions } from './socket/options';
export { constants } from './socket/platform-constants';
export { Socket } from './socket/socket';
export type { TcpInfo, TcpState } from './socket/tcp-info';
export { AsyncExecutor } from './threads/async-executor';
export { connectThreadsPortal } from './threads/connect-portal';
export type { ThreadPoolOptions } from './threads/thread-pool';
export { type BackendOptions, ThreadedBackend } from './threads/threaded-backend';
export { transferResult } from './threads/transfer';
export { acloseForcefully } from './transports/aclose-forcefully';
export { type AttributeGetters, SocketAttribute, typedAttribute } from './transports/attributes';
export {
  BaseDatagramReadTransport,
  BaseDatagramTransport,
  BaseDatagramWriteTransport,
} from './transports/base-datagram-transport';
export {
  BaseStreamReadTransport,
  BaseStreamTransport,
  BaseStreamWriteTransport,
} from './transports/base-stream-transport';
export { BaseTransport } from './transports/base-transport';
export { StapledDatagramTransport, StapledStreamTransport } from './transports/stapled';
