package cardtest

// Sources of the facts of PIV cards that are no YubiKeys.
const (
	sce7          = "github.com/OpenSC/OpenSC/pull/3702"
	opensc1460    = "github.com/OpenSC/OpenSC/issues/1460"
	opensc2242    = "github.com/OpenSC/OpenSC/issues/2242"
	opensc2369    = "github.com/OpenSC/OpenSC/issues/2369"
	opensc2602    = "github.com/OpenSC/OpenSC/pull/2602"
	opensc2671    = "github.com/OpenSC/OpenSC/pull/2671"
	opensc2995    = "github.com/OpenSC/OpenSC/pull/2995"
	opensc3270    = "github.com/OpenSC/OpenSC/pull/3270"
	opensc3538    = "github.com/OpenSC/OpenSC/issues/3538"
	opensc3545    = "github.com/OpenSC/OpenSC/issues/3545"
	openFIPS20155 = "github.com/makinako/OpenFIPS201/issues/55"
	openFIPS20139 = "github.com/makinako/OpenFIPS201/pull/39"
	openFIPS201   = "github.com/makinako/OpenFIPS201, run in jcardsim"
	pivApplet     = "github.com/arekinath/PivApplet, run in jcardsim"
	pivApplet45   = "github.com/arekinath/PivApplet/issues/45"
	canokey       = "github.com/canokeys/canokey-core, run as a program"
	canokeyLog    = "serial log of a CanoKey, May 2020"
	nitrokeyPIV   = "github.com/trussed-dev/piv-authenticator, src"
	nitrokey20    = "github.com/trussed-dev/piv-authenticator/issues/20"
	picoKeys      = "github.com/polhenarejos/pico-openpgp, src/openpgp/piv.c"
	crescendo     = "github.com/franekSoftSF/blinky, tests/Blinky.UnitTests/ForeignCardTests.cs"
	piguides59    = "github.com/GSA/piv-guides/issues/59"
	keyroost101   = "github.com/framefilter/keyroost/pull/101"
	keyroost104   = "github.com/framefilter/keyroost/issues/104"
	keyroost113   = "github.com/framefilter/keyroost/issues/113"
)

// Responses to SELECT.
const (
	selectFull = "61 16 4F 0B A000000308000010000100 79 07 4F 05 A000000308"

	selectNitrokey = "61 66 4F 06 000010000100 50 0C 4E6974726F6B657920504956 5F50 2D 68747470733A2F2F6769746875622E636F6D2F4E6974726F6B65792F7069762D61757468656E74696361746F72" +
		" AC 15 800103 80010C 800111 8001E2 8001E3 800107 060107 79 07 4F 05 A000000308"

	// The record ends in the list of algorithms: the last four are made up.
	selectToken2 = "61 7C 4F 06 000010000100 79 07 4F 05 A000000308 50 09 5069764170706C6574" +
		" AC06800103060100 AC06800108060100 AC0680010A060100 AC0680010C060100 AC06800106060100 AC06800107060100 AC06800105060100 AC06800116060100" +
		" AC06800111060100 AC06800114060100 AC068001E0060100 AC068001E1060100"

	selectSwissbit = "61 3D 4F 0B A000000308000010000100 79 0D 4F 0B A000000308000010000100 50 09 5069764170706C6574" +
		" AC 14 800103 800106 800107 800111 8001F0 8001F1 0600"

	// Of these the record has the lengths of label and address, not the text.
	selectPivApplet = "61 81 4F 06 000010000100 79 0D 4F 0B A000000308000010000100 50 22 2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D" +
		" 5F50 26 2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D" +
		" AC 1B 800103 800108 80010A 80010C 800106 800107 800111 800114 060100"
	selectPivApplet80 = "61 80 4F 0B A000000308000010000100 79 0D 4F 0B A000000308000010000100 50 1C 2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D" +
		" 5F50 26 2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D" +
		" AC 1B 800103 800108 80010A 80010C 800106 800107 800111 800114 060100"
	selectOpenFIPS201 = "61 6F 4F 0B A000000308000010000100 79 07 4F 05 A000000308 50 0B 4F70656E46495053323031" +
		" 5F50 49 2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D"

	// The length of the outermost element is never filled in.
	selectPico = "61 00 4F 02 0100 79 09 A00000030800001000 50 0D 5069636F204B65797320504956 AC 0C 8007 07080A0C11142E 060100"

	selectBio    = "61 39 4F 0B A000000308000010000100 79 07 4F 05 A000000308 50 0E 49442D4F6E65205049562042494F 5F50 10 7777772E6F626572746875722E636F6D 7F66 08 02020280 02020280"
	selectTWIC   = "61 3A 4F 0B A000000308000010000100 79 07 4F 05 A000000308 50 0F 49442D4F6E65205049562054574943 5F50 10 7777772E6F626572746875722E636F6D"
	selectIDEMIA = "61 2A 4F 0B A000000308000010000100 79 07 4F 05 A000000308 50 0A 49442D4F6E6520504956 AC 06 800127 060100 7F66 08 020203F8 02027FFF"
)

// historyOberthur is a key history with one certificate on the card, four elsewhere,
// and an address of 87 bytes, which is made up.
const historyOberthur = "53 61 C10101 C20104 F3 57 " +
	"687474703A2F2F6578616D706C652E636F6D2F2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D2D" + " FE00"

var pivModels = []model{
	{"gd-sce7", "G+D SCE7, alternate token of the US Department of Defense", basePIV, []Fact{
		{"ATR", "3BF99600008031FE4553434537200F0020464E", Recorded, sce7},
		{"protocol", "T=1", Assumed, ""}, // the ATR offers both
		{"SELECT", "61 0F 4F 06 001000010000 79 05 A000000308", Recorded, sce7},
		{"discovery object", discovery4000, Recorded, sce7},
		{"key history", "53 08 C10100 C20100 FE00", Recorded, sce7},
		{"CHUID expiration", "        ", Recorded, sce7},
		{"answer to 00FD0000", "6D00", Recorded, sce7},
		{"answer to 00F80000", "6D00", Recorded, sce7},
	}},
	{"gd-cac-144k", "G&D CAC 144K, PIV endpoint", basePIV, []Fact{
		{"ATR", "3B7A18000073667465206364313434", Recorded, opensc570},
		{"protocol", "T=0", Stated, "its ATR"},
		{"discovery object", "absent 6A80", Recorded, opensc570},
		{"absent object", "6A80", Assumed, ""}, // as the discovery object
		{"SELECT again", "clears the PIN", Stated, openscPIV},
		{"failed SELECT", "clears the PIN", Stated, openscPIV},
		{"empty VERIFY, verified", "retry counter", Stated, openscPIV},
		{"log out", "6A86", Assumed, ""},
	}},
	{"cac-piv-dual", "CAC and PIV dual card of an unknown type", basePIV, []Fact{
		{"SELECT", selectFull, Recorded, opensc1460},
		{"SELECT again", "clears the PIN", Recorded, opensc1460},
		{"PIN retries", "7", Recorded, opensc1460},
		{"empty VERIFY, verified", "9000", Recorded, opensc1460},
		{"failed SELECT", "clears the PIN", Assumed, ""}, // as SELECT of PIV
		{"discovery object", "absent 6A82", Assumed, ""},
		{"log out", "6A86", Assumed, ""},
	}},
	{"oberthur-cac-2016", "Oberthur CAC, PIV endpoint", basePIV, []Fact{
		{"absent object", "6A82", Recorded, openscPR624},
		{"absent object, PIN required", "as other objects", Recorded, openscPR624},
	}},
	{"gemalto-nist", "Gemalto PIV, NIST test card", basePIV, []Fact{
		{"ATR", "3B7D96000080318065B0831117D683009000", Recorded, openscCorpus},
		{"protocol", "T=0", Recorded, openscCorpus},
		{"SELECT", "none", Recorded, openscCorpus},
		{"discovery object", discovery4000, Recorded, openscCorpus},
		{"absent object", "6A80", Recorded, openscCorpus},
		{"CHUID", "2358", Recorded, openscCorpus},
		{"absent application", "6A82", Recorded, openscCorpus},
		{"malformed template", "6A86", Recorded, openscCorpus},
		{"answer to 00FD0000", "6D00", Recorded, openscCorpus},
	}},
	{"oberthur-nist", "Oberthur ID-One PIV, NIST test card", basePIV, []Fact{
		{"ATR", "3BDF960081B1FE451F838073CC91CBF9A0000003080000100079", Recorded, openscCorpus},
		{"protocol", "T=1", Recorded, openscCorpus},
		{"discovery object", discovery4000, Recorded, openscCorpus},
		{"absent object", "9000", Recorded, openscCorpus},
		{"CHUID", "2315", Recorded, openscCorpus},
		{"absent application", "6A82", Recorded, openscCorpus},
		{"answer to 00FD0000", "6D00", Recorded, openscCorpus},
	}},
	{"oberthur-nist-history", "Oberthur ID-One PIV, NIST test card with a key history", basePIV, []Fact{
		{"ATR", "3BDF960081B1FE451F838073CC91CBF9A0000003080000100079", Recorded, openscCorpus},
		{"protocol", "T=1", Recorded, openscCorpus},
		{"discovery object", discovery4000, Recorded, openscCorpus},
		{"absent object", "9000", Recorded, openscCorpus},
		{"CHUID", "2315", Recorded, openscCorpus},
		{"key history", historyOberthur, Recorded, openscCorpus},
		{"certificates", "gzip", Recorded, openscCorpus},
		{"empty VERIFY, blocked", "63C0", Recorded, openscCorpus},
	}},
	{"oberthur-idone-bio", "Oberthur ID-One PIV BIO of 2006", basePIV, []Fact{
		{"SELECT", selectBio, Recorded, openFIPS20139},
		{"extended length", "accepted", Stated, "its response to SELECT, 7F66"},
	}},
	{"oberthur-twic", "Oberthur ID-One PIV TWIC", basePIV, []Fact{
		{"ATR", "3BDB960081B1FE451F8380F9A0000003080000100098", Recorded, piguides59},
		{"SELECT", selectTWIC, Recorded, piguides59},
		{"first response", "61XX without Le", Recorded, piguides59},
	}},
	{"idemia-idone-2.4", "IDEMIA ID-One PIV 2.4.1", basePIV, []Fact{
		{"ATR", "3BD6970081B1FE451F878031C152411223", Recorded, opensc2995},
		{"SELECT", selectIDEMIA, Recorded, opensc2995},
		{"extended length", "accepted", Stated, "its response to SELECT, 7F66"},
	}},
	{"nist-v1", "NIST test card, set of version 1", basePIV, []Fact{
		{"protocol", "T=0", Assumed, ""},   // its responses begin with 61XX
		{"SELECT", selectPIX, Assumed, ""}, // recorded is the length, 19 bytes
	}},
	{"nist-v2", "NIST test card, set of version 2", basePIV, []Fact{
		{"SELECT", "none", Recorded, opensc2369},
	}},
	{"pivkey", "PIVKey C910, C980, T600, T800", basePIV, []Fact{
		{"ATR", "3BFC180000813180459067464A00642D70C172FEE0FE", Stated, openscPIV},
		{"discovery object", "absent 6A82", Stated, opensc2602},
		{"SELECT again", "clears the PIN", Stated, openscPIV},
		{"failed SELECT", "clears the PIN", Stated, openscPIV},
		{"empty VERIFY, verified", "retry counter", Stated, openscPIV},
		{"log out", "6A86", Assumed, ""},
	}},
	{"nitrokey-3", "Nitrokey 3", basePIV, []Fact{
		{"ATR", "3B8F01805D4E6974726F6B657900000000006A", Recorded, opensc3538},
		{"SELECT", selectNitrokey, Recorded, nitrokey20},
		{"shortest identifier", "9", Stated, nitrokeyPIV},
		{"discovery object", discovery4010, Stated, nitrokeyPIV},
		{"key history", "53 08 C10100 C20100 FE00", Stated, nitrokeyPIV},
		{"absent object", "6A82", Stated, nitrokeyPIV},
		{"fixed answer to 00CB3FFF 5C035FC107", "6400", Recorded, opensc3538},
		{"fixed answer to 00FD0000", "060606 9000", Stated, nitrokeyPIV},
		{"fixed answer to 00F80000", "0052F743 9000", Stated, nitrokeyPIV},
		{"fixed answer to 00F7009E", "02020100 9000", Stated, nitrokeyPIV},
		{"fixed answer to 00F700", "9000", Stated, nitrokeyPIV},
		{"fixed answer to 00F99A00", "6A81", Stated, nitrokeyPIV},
		{"answer to 00200000", "6A88", Stated, nitrokeyPIV},
		{"PIN with letters", "6A80", Stated, nitrokeyPIV},
		{"CHANGE with wrong old value", "6300", Stated, nitrokeyPIV},
		{"management key, other algorithm", "6A86", Stated, nitrokeyPIV},
	}},
	{"nitrokey-3-early", "Nitrokey 3 with early firmware", basePIV, []Fact{
		{"ATR", "3B8F01805D4E6974726F6B657900000000006A", Recorded, opensc3538},
		{"SELECT", selectNitrokey, Recorded, nitrokey20},
		{"shortest identifier", "11", Recorded, nitrokey20},
		{"first response", "61XX", Recorded, nitrokey20},
	}},
	{"token2-r3.3", "Token2 PIN+ R3.3", basePIV, []Fact{
		{"ATR", "3B8F8001544B0050495604023838383838383860", Recorded, opensc3545},
		{"SELECT", selectToken2, Recorded, opensc3545},
		{"first response", "61XX if longer than Le", Recorded, keyroost113},
		{"fixed answer to 00F80000", "38383838 9000", Recorded, keyroost113}, // decimal digits; the number is made up
	}},
	{"token2-contact", "Token2 PIN+ R3.3, card with contacts", basePIV, []Fact{
		{"protocol", "T=0", Recorded, keyroost101},
	}},
	{"swissbit-ishield-2-pro", "Swissbit iShield Key 2 Pro", basePIV, []Fact{
		{"fixed answer to 00FD0000", "05070000 9000", Recorded, keyroost113},               // four bytes; the version is made up
		{"fixed answer to 00F7009A", "010107 02020201 030107 9000", Recorded, keyroost113}, // tag 03 repeats the algorithm, which is this package's key's
		{"fixed answer to 00F7009D", "010107 02020201 030107 9000", Assumed, ""},
		{"fixed answer to 00F7009E", "010116 02027F01 030116 9000", Recorded, keyroost113},
	}},
	{"swissbit-ishield-fido2", "Swissbit iShield FIDO2", basePIV, []Fact{
		{"ATR", "3B971181217569536869656C6405", Recorded, opensc2671},
		{"SELECT", selectSwissbit, Recorded, opensc2671},
	}},
	{"identiv-utrust-fido2", "Identiv uTrust FIDO2", basePIV, []Fact{
		{"end of mutual authentication", "no data", Recorded, keyroost104},
	}},
	{"pivapplet-0.8.2", "PivApplet 0.8.2", basePIV, []Fact{
		{"SELECT", selectPivApplet, Recorded, opensc2242},
		{"absent application", "6999", Recorded, pivApplet},
		{"absent application, another selected", "6D00", Recorded, pivApplet},
		{"wrong management key", "6A80", Recorded, pivApplet},
		{"Yubico's instructions", "FA FB FE FF", Recorded, pivApplet},
	}},
	{"pivapplet-0.8.2-long", "PivApplet 0.8.2 with the full identifier", basePIV, []Fact{
		{"SELECT", selectPivApplet80, Recorded, pivApplet45},
		{"absent application", "6999", Recorded, pivApplet},
		{"absent application, another selected", "6D00", Recorded, pivApplet},
		{"wrong management key", "6A80", Recorded, pivApplet},
		{"Yubico's instructions", "FA FB FE FF", Recorded, pivApplet},
	}},
	{"openfips201", "OpenFIPS201 on NXP JCOP 4, J3R310", basePIV, []Fact{
		{"ATR", "3BFA180000910131FE454A33523331302D333535FF", Recorded, opensc3270},
		{"SELECT", selectOpenFIPS201, Recorded, opensc3270},
		{"absent object", "6A82", Stated, "github.com/makinako/OpenFIPS201, src"},
		{"witness, challenge and empty response", "internal authentication", Recorded, openFIPS201},
		{"command while data waits", "6985", Recorded, openFIPS20155},
		{"answer to 00FD0000", "6D00", Recorded, opensc3270},
	}},
	{"canokey-2020", "CanoKey, firmware of 2020", basePIV, []Fact{
		{"SELECT", selectPIX, Recorded, canokeyLog},
		{"SELECT again", "clears the PIN", Recorded, canokey},
		{"discovery object", discovery4010, Recorded, canokeyLog},
		{"absent object", "6A82", Recorded, canokeyLog},
		{"key history", "absent", Recorded, canokeyLog},
		{"empty VERIFY, blocked", "63C0", Recorded, canokey},
		{"empty key slot", "6985", Recorded, canokey},
		{"Ed25519 signature", "of 32 bytes", Recorded, canokey},
		{"Yubico's instructions", "FA FB FE FF", Recorded, canokey},
		{"extended length", "6700", Assumed, ""}, // recorded: a long object in parts
		{"longest object", "3000", Assumed, ""},  // recorded: less than 6.8 KB
		{"object too long", "6700, half stored", Recorded, canokey},
		{"fixed answer to 00FD0000", "050000 9000", Recorded, canokeyLog},
		{"fixed answer to 00F80000", "00BC614E 9000", Recorded, canokeyLog}, // four bytes; the number is made up
	}},
	{"canokey-2020-stale-status", "CanoKey, a build of 2020 that repeats a status word", basePIV, []Fact{
		{"SELECT", selectPIX, Recorded, canokeyLog},
		{"absent object", "6A82", Recorded, canokeyLog},
		{"fixed answer to 00CB3FFF 5C017E", discovery4010 + " 6A82", Recorded, canokeyLog},
		{"fixed answer to 00FD0000", "050000 9000", Recorded, canokeyLog},
	}},
	{"pico-keys", "Pico Keys PIV 5.7.0", basePIV, []Fact{
		{"SELECT", selectPico, Stated, picoKeys},
		{"discovery object", "53 14 4F 0B A000000308000010000100 5F2F 02 4010 A55A", Stated, picoKeys}, // the last two bytes vary
		{"absent object", "6A82", Stated, picoKeys},
		{"fixed answer to 00FD0000", "050700 9000", Stated, picoKeys},
		{"fixed answer to 00200000", "6A80", Stated, picoKeys},
	}},
	{"hid-crescendo-v3", "HID Crescendo Key V3", basePIV, []Fact{
		{"SELECT", selectPIX, Recorded, crescendo},
		{"PIN retries", "6", Recorded, crescendo},
		{"fixed answer to 00CB3FFF 5C035FFF01", "6D00", Recorded, crescendo},
		{"answer to 00FD0000", "6D00", Recorded, crescendo},
		{"answer to 00F80000", "6D00", Recorded, crescendo},
		{"answer to 00F70080", "6D00", Recorded, crescendo},
		{"answer to 00F99A00", "6D00", Recorded, crescendo},
	}},
}
