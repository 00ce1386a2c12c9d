package cardtest

// Sources of the facts of GIDS cards.
const (
	udsClient    = "github.com/VirtualCable/uds-client, crates/channels/src/smartcard/emulated/gids_engine.rs"
	gidsApplet   = "github.com/vletoux/GidsApplet/issues/10"
	opensc1128   = "github.com/OpenSC/OpenSC/issues/1128"
	opensc1866   = "github.com/OpenSC/OpenSC/issues/1866"
	gidsJCardSim = "github.com/vletoux/GidsApplet, run in jcardsim"
)

// selectGIDS is the response to SELECT of the GidsApplet.
const selectGIDS = "61 12 4F 0B A000000397425446590201 73 03 4001C0"

// The facts of GIDS cards are those of the functions GIDS and TPM.
var gidsModels = []model{
	{"gidsapplet-jcop242", "GidsApplet on JCOP 242 R3", baseGIDS, []Fact{
		{"ATR", "3BF91300008131FE454A434F503234325233A2", Recorded, udsClient},
		{"SELECT", selectGIDS, Recorded, udsClient},
		{"answer to 00A40404 A00000039742544659", "62 08 8201 38 8C03 033030 9000", Recorded, udsClient},
		{"answer to 00CB2F01 5C00", "4301F4 4703080180 460C 4D79536D6172744C6F676F6E 9000", Recorded, udsClient},
		{"answer to 00CB3FFF 5C027F73", "6A88", Recorded, udsClient},
		{"answer to 00CA7F68", "6A88", Recorded, gidsApplet},
		{"answer to 00200080", "63C3", Recorded, udsClient},
		{"answer to 00200082", "9000", Recorded, udsClient},
	}},
	{"gidsapplet-jcop31", "GidsApplet on JCOP 31", baseGIDS, []Fact{
		{"SELECT", selectGIDS, Recorded, gidsApplet},
		{"absent application", "6A82", Recorded, gidsApplet},
		{"answer to 00CB2F01 5C00", "4301F4 4703080180 460C 4D79536D6172744C6F676F6E 9000", Recorded, gidsApplet},
		{"answer to 00CB3FFF 5C027F73", "6A88", Recorded, gidsApplet},
		{"answer to 00CA7F68", "6A88", Recorded, gidsApplet},
		{"answer to 00A4000C 3FFF", "9000", Recorded, gidsApplet},
	}},
	{"gidsapplet-jcardsim", "GidsApplet in jcardsim", baseGIDS, []Fact{
		{"SELECT", selectGIDS, Recorded, gidsApplet},
		{"raw decryption", "without leading zeros", Recorded, gidsJCardSim},
		{"absent application", "6999", Recorded, gidsJCardSim},
	}},
	{"microsoft-virtual", "Microsoft virtual smart card with a TPM", baseTPM, []Fact{
		{"ATR", "3B8D0180FBA000000397425446590401CF", Recorded, opensc1128},
		{"decryption with a padding indicator", "6700", Recorded, opensc1866},
	}},
}
