/**
 * The state of a TCP connection in the kernel: TCP_INFO of tcp(7), Linux. Times are in
 * milliseconds, and sizes in bytes unless they are said to be in segments.
 */
export interface TcpInfo {
  readonly state: TcpState;
  readonly retransmits: number;
  readonly probes: number;
  readonly backoff: number;
  readonly retransmissionTimeout: number;
  readonly sendMss: number;
  readonly receiveMss: number;
  /** Segments. */
  readonly unacked: number;
  readonly lost: number;
  readonly retransmitting: number;
  readonly sinceLastDataSent: number;
  readonly sinceLastDataReceived: number;
  readonly sinceLastAckReceived: number;
  readonly pathMtu: number;
  readonly rtt: number;
  readonly rttVariance: number;
  /** Segments. */
  readonly congestionWindow: number;
  /** Segments; Infinity until the first loss. */
  readonly slowStartThreshold: number;
  readonly receiveSpace: number;
  readonly totalRetransmissions: number;
  /**
   * Bytes per second; Infinity if the sender is not paced. This field and all below are undefined
   * if the kernel is too old to have them.
   */
  readonly pacingRate: number | undefined;
  readonly bytesAcked: number | undefined;
  readonly bytesReceived: number | undefined;
  readonly segmentsOut: number | undefined;
  readonly segmentsIn: number | undefined;
  readonly notSentBytes: number | undefined;
  /** Also undefined until there is a measurement. */
  readonly minRtt: number | undefined;
  /** Bytes per second. */
  readonly deliveryRate: number | undefined;
  readonly bytesSent: number | undefined;
  readonly bytesRetransmitted: number | undefined;
}

/** The states of RFC 9293, with Linux' names. */
export type TcpState =
  | 'ESTABLISHED' | 'SYN_SENT' | 'SYN_RECV' | 'FIN_WAIT1' | 'FIN_WAIT2' | 'TIME_WAIT'
  | 'CLOSE' | 'CLOSE_WAIT' | 'LAST_ACK' | 'LISTEN' | 'CLOSING' | 'UNKNOWN'; // prettier-ignore

/** In the order of the kernel's enum, which begins with 1 (include/net/tcp_states.h). */
const STATES: readonly TcpState[] = [
  'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT1', 'FIN_WAIT2', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK', 'LISTEN', 'CLOSING',
]; // prettier-ignore

/** More than sizeof(struct tcp_info) of today's kernels, with room for the fields of later ones. */
export const TCP_INFO_BYTES = 320;

const MICROSECONDS = 1000;
/** The kernel's values for "no limit" and "not measured": TCP_INFINITE_SSTHRESH, and all ones. */
const INFINITE_THRESHOLD = 0x7fffffff;
const ALL_ONES_32 = 0xffffffff;
const ALL_ONES_64 = 2 ** 64;

/**
 * Reads struct tcp_info (linux/tcp.h). New fields are only ever added at its end, and a kernel
 * returns as many bytes as it has fields for.
 */
export function parseTcpInfo(bytes: Uint8Array): TcpInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  const u8 = (offset: number): number => (offset < view.byteLength ? view.getUint8(offset) : 0);
  const u32 = (offset: number): number =>
    offset + 4 <= view.byteLength ? view.getUint32(offset, isLittle) : 0;
  const optional32 = (offset: number): number | undefined =>
    offset + 4 <= view.byteLength ? view.getUint32(offset, isLittle) : undefined;
  const optional64 = (offset: number): number | undefined =>
    offset + 8 <= view.byteLength ? Number(view.getBigUint64(offset, isLittle)) : undefined;
  const minRtt = optional32(148);
  const threshold = u32(76);
  const pacingRate = optional64(104);
  return {
    state: STATES[u8(0) - 1] ?? 'UNKNOWN',
    retransmits: u8(2),
    probes: u8(3),
    backoff: u8(4),
    retransmissionTimeout: u32(8) / MICROSECONDS,
    sendMss: u32(16),
    receiveMss: u32(20),
    unacked: u32(24),
    lost: u32(32),
    retransmitting: u32(36),
    sinceLastDataSent: u32(44),
    sinceLastDataReceived: u32(52),
    sinceLastAckReceived: u32(56),
    pathMtu: u32(60),
    rtt: u32(68) / MICROSECONDS,
    rttVariance: u32(72) / MICROSECONDS,
    slowStartThreshold: threshold === INFINITE_THRESHOLD ? Infinity : threshold,
    congestionWindow: u32(80),
    receiveSpace: u32(96),
    totalRetransmissions: u32(100),
    // A double cannot hold 64 ones, and rounds them up to 2 ** 64.
    pacingRate: pacingRate === ALL_ONES_64 ? Infinity : pacingRate,
    bytesAcked: optional64(120),
    bytesReceived: optional64(128),
    segmentsOut: optional32(136),
    segmentsIn: optional32(140),
    notSentBytes: optional32(144),
    minRtt: minRtt === undefined || minRtt === ALL_ONES_32 ? undefined : minRtt / MICROSECONDS,
    deliveryRate: optional64(160),
    bytesSent: optional64(200),
    bytesRetransmitted: optional64(208),
  };
}
