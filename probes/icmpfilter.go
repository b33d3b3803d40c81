package probes

import "golang.org/x/net/bpf"

// The filters below let a raw socket queue what is about its own requests only: the kernel offers every ICMP message of the
// machine to every raw socket. Identifiers come in blocks, so that a filter never changes: id & mask == block.

// echoFilter4 is the filter of an IPv4 socket, whose messages begin with the IP header.
func echoFilter4(block, mask uint16) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadMemShift{Off: 0},          // X = length of the IP header
		bpf.LoadIndirect{Off: 0, Size: 1}, // type
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: echoReply4, SkipTrue: 14},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unreachable4, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: exceeded4, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: parameter4, SkipFalse: 15},
		// A complaint. The header of our request begins after its own eight bytes.
		bpf.LoadIndirect{Off: echoHeaderLen + 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolICMP4, SkipFalse: 13},
		bpf.LoadIndirect{Off: echoHeaderLen, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{}, // X = length of both headers
		bpf.LoadIndirect{Off: echoHeaderLen, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: echoRequest4, SkipFalse: 6},
		bpf.LoadIndirect{Off: echoHeaderLen + 4, Size: 2},
		bpf.Jump{Skip: 1},
		bpf.LoadIndirect{Off: 4, Size: 2}, // a reply
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(mask)},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(block), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 18},
		bpf.RetConstant{Val: 0},
	}
}

// echoFilter6 is the filter of an IPv6 socket, whose messages begin with ICMPv6.
func echoFilter6(block, mask uint16) []bpf.Instruction {
	const repeated = echoHeaderLen + ip6HeaderLen
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1}, // type
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: reply6, SkipTrue: 11},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: parameter6, SkipTrue: 14},
		// A complaint: about our request, or the first fragment of it.
		bpf.LoadAbsolute{Off: echoHeaderLen + 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolICMP6, SkipTrue: 4}, // with X = 0
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: nextFragment, SkipFalse: 11},
		bpf.LoadAbsolute{Off: repeated, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolICMP6, SkipFalse: 9},
		bpf.LoadConstant{Dst: bpf.RegX, Val: fragmentLen},
		bpf.LoadIndirect{Off: repeated, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: echoRequest6, SkipFalse: 6},
		bpf.LoadIndirect{Off: repeated + 4, Size: 2},
		bpf.Jump{Skip: 1},
		bpf.LoadAbsolute{Off: 4, Size: 2}, // a reply
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(mask)},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(block), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 18},
		bpf.RetConstant{Val: 0},
	}
}
