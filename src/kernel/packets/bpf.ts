/**
 * Capture filters (pcap-filter(7)) as classic BPF programs, compiled by libpcap in process: the library that `cap` is linked with, so
 * it is there. A program may be attached to any socket (socket(7) SO_ATTACH_FILTER); the kernel checks it once more.
 */
import koffi from "koffi";
import { DocknetError } from "../../errors.ts";

/** struct sock_filter[] as it stands in memory: code (2 bytes), jump if true, jump if false (1 each), k (4). */
export type Program = Buffer;

const pcap = loadPcap();

/** Debian's and everybody else's name. */
function loadPcap() {
  for (const name of ["libpcap.so.0.8", "libpcap.so.1"]) {
    try {
      const library = koffi.load(name);
      return {
        openDead: library.func("void *pcap_open_dead(int link_type, int snapshot_bytes)"),
        compile: library.func(
          "int pcap_compile(void *pcap, void *program, const char *filter, int optimize, uint32_t mask)",
        ),
        freeCode: library.func("void pcap_freecode(void *program)"),
        error: library.func("const char *pcap_geterr(void *pcap)"),
        close: library.func("void pcap_close(void *pcap)"),
      };
    } catch {
      // the next name
    }
  }
  return undefined;
}

/** DLT_EN10MB (pcap-linktype(7)) */
const LINK_ETHERNET = 1;
/** struct bpf_program: bf_len, padding, pointer to the instructions */
const PROGRAM_BYTES = 16;
const INSTRUCTION_BYTES = 8;
/** BPF_MAXINSNS (linux/bpf_common.h): more the kernel does not take */
const MAX_INSTRUCTIONS = 4096;
/** Nobody types more; libpcap's parser is recursive. */
const MAX_FILTER_LENGTH = 4096;
/** PCAP_NETMASK_UNKNOWN */
const NO_NETMASK = 0xffffffff;
/** BPF_RET | BPF_K (linux/bpf_common.h) */
const RETURN_K = 0x06;

/**
 * @param filter "" lets everything through; @param snapBytes what is kept of a frame. @throws DocknetError USAGE in libpcap's words,
 * KERNEL_FEATURE without libpcap
 */
export function compileFilter(filter: string, snapBytes: number): Program {
  if (filter.trim() === "") return keep(snapBytes);
  if (pcap === undefined)
    throw new DocknetError("KERNEL_FEATURE", "Cannot compile a capture filter: libpcap is not installed");
  if (filter.length > MAX_FILTER_LENGTH)
    throw refusal(filter.slice(0, 40), `it has ${filter.length} characters, wanted at most ${MAX_FILTER_LENGTH}`);
  if (/\p{Cc}/u.test(filter)) throw refusal(JSON.stringify(filter), "it has control characters");
  const dead = pcap.openDead(LINK_ETHERNET, snapBytes);
  const program = Buffer.alloc(PROGRAM_BYTES);
  try {
    if (pcap.compile(dead, program, filter, 1, NO_NETMASK) !== 0) throw refusal(filter, pcap.error(dead));
    try {
      const count = program.readUInt32LE(0);
      if (count > MAX_INSTRUCTIONS)
        throw refusal(filter, `it becomes ${count} instructions, the kernel takes ${MAX_INSTRUCTIONS}`);
      const memory = koffi.view(program.readBigUInt64LE(8), count * INSTRUCTION_BYTES);
      return Buffer.from(new Uint8Array(memory)); // a copy: the memory is libpcap's
    } finally {
      pcap.freeCode(program);
    }
  } finally {
    pcap.close(dead);
  }
}

/** One instruction: so many bytes of every frame; 0: no frame at all. */
export function keep(bytes: number): Program {
  const program = Buffer.alloc(INSTRUCTION_BYTES);
  program.writeUInt16LE(RETURN_K, 0);
  program.writeUInt32LE(bytes, 4);
  return program;
}

function refusal(filter: string, why: string): DocknetError {
  return new DocknetError("USAGE", `Cannot use the filter "${filter}": ${why}`, {
    remedy: "Write it as pcap-filter(7) says, for example: tcp port 80",
  });
}
