package cardtest

// Sources of the facts of YubiKeys.
const (
	goISO7816    = "github.com/cunicu/go-iso7816, devices/yubikey/mockdata"
	openscCorpus = "github.com/OpenSC/OpenSC, src/tests/fuzzing/corpus"
	blinky       = "github.com/franekSoftSF/blinky, tests/Blinky.UnitTests/Fixtures"
	openscPR624  = "github.com/OpenSC/OpenSC/pull/624"
	opensc570    = "github.com/OpenSC/OpenSC/issues/570"
	opensc576    = "github.com/OpenSC/OpenSC/issues/576"
	opensc1243   = "github.com/OpenSC/OpenSC/pull/1243"
	opensc1256   = "github.com/OpenSC/OpenSC/pull/1256"
	openscPIV    = "github.com/OpenSC/OpenSC, src/libopensc/card-piv.c"
	keyroost147  = "github.com/framefilter/keyroost/issues/147"
	yubicoSDK    = "github.com/Yubico/Yubico.NET.SDK, docs/users-manual/application-piv/apdu"
)

// selectPIX is the response to SELECT of YubiKeys and others: the identifier without
// the registered part.
const selectPIX = "61 11 4F 06 000010000100 79 07 4F 05 A000000308"

// discovery4000 and discovery4010 are the discovery object of cards with the
// application PIN only, in its two spellings.
const (
	discovery4000 = "7E 12 4F 0B A000000308000010000100 5F2F 02 4000"
	discovery4010 = "7E 12 4F 0B A000000308000010000100 5F2F 02 4010"
)

var yubikeyModels = []model{
	{"yubikey-neo", "YubiKey NEO, PIV 0.1.2", baseYubiKey, []Fact{
		{firmware, "3.3.7", Recorded, goISO7816},
		{"ATR", "3BFC1300008131FE15597562696B65794E454F7233E1", Recorded, goISO7816},
		{"SELECT", selectPIX, Recorded, opensc576},
		{"discovery object", "absent 6A80", Recorded, opensc576},
		{"retry counter", "630X", Recorded, opensc570},
		{"empty VERIFY, verified", "retry counter", Recorded, opensc576},
		{"failed SELECT", "deselects it", Stated, openscPIV},
		{"extended length", "6700", Assumed, ""}, // the ATR does not announce it
	}},
	{"yubikey-4.2.6", "YubiKey 4", baseYubiKey, []Fact{
		{firmware, "4.2.6", Recorded, openscPR624},
		{"SELECT", selectPIX, Recorded, openscPR624},
		{"discovery object", discovery4000, Assumed, ""},
		{"absent object", "6A82", Recorded, openscPR624},
		{"absent object, PIN required", "as other objects", Recorded, openscPR624},
		{"first response limit", "254", Assumed, ""}, // as version 4.3.7
		{"more than 255 bytes", "61FF", Recorded, openscPR624},
		{"failed SELECT", "deselects it", Recorded, opensc1256},
		{"answer to 00200082", "63C3", Recorded, opensc1243},
	}},
	{"yubikey-4.3.7", "YubiKey 4", baseYubiKey, []Fact{
		{firmware, "4.3.7", Recorded, openscCorpus},
		{"ATR", "3BF81300008131FE15597562696B657934D4", Recorded, openscCorpus},
		{"SELECT", selectPIX, Recorded, openscCorpus},
		{"discovery object", discovery4000, Recorded, openscCorpus},
		{"absent object", "6A82", Recorded, openscCorpus},
		{"key history", "absent", Recorded, openscCorpus},
		{"first response limit", "254", Recorded, openscCorpus},
		{"more than 255 bytes", "61FF", Recorded, openscCorpus},
		{"extended length", "accepted", Recorded, "github.com/arekinath/pivy/issues/52"},
		{"empty VERIFY, verified", "9000", Recorded, openscPR624},
		{"failed SELECT", "deselects it", Assumed, ""}, // as version 4.2.6
		{"answer to 00FD0000", "040307 9000", Recorded, openscCorpus},
	}},
	{"yubikey-5.4.3", "YubiKey 5", baseYubiKey, []Fact{
		{firmware, "5.4.3", Recorded, blinky},
		{"ATR", "3BFD1300008131FE158073C021C057597562694B657940", Recorded, openscCorpus},
		{"SELECT", selectPIX, Recorded, openscCorpus},
		{"discovery object", discovery4000, Recorded, openscCorpus},
		{"absent object", "6A82", Recorded, openscCorpus},
		{"key history", "absent", Recorded, openscCorpus},
		{"extended length", "accepted", Stated, "its ATR"},
		{"empty VERIFY, verified", "9000", Recorded, openscPR624},
		{"answer to 00FD0000", "050403 9000", Recorded, blinky},
		{"answer to 00F70080", "0101FF 050101 06020303 9000", Recorded, blinky},
		{"answer to 00F7009B", "010103 02020001 050101 9000", Recorded, blinky},
		{"answer to 00F70096", "6A88", Recorded, blinky},
		{"answer to 00F7009E", "6A88", Recorded, blinky},
		{"answer to 00F99E00", "6A80", Recorded, blinky}, // seen with 9A empty
	}},
	{"yubikey-5.7.1", "YubiKey 5", baseYubiKey, []Fact{
		{firmware, "5.7.1", Recorded, blinky},
		{"ATR", "3BFD1300008131FE158073C021C057597562694B657940", Assumed, ""}, // as version 5.4.3
		{"SELECT", selectPIX, Recorded, blinky},
		{"absent object", "6A82", Recorded, blinky},
		{"answer to 00FD0000", "050701 9000", Recorded, blinky},
		{"answer to 00F70080", "0101FF 050101 06020303 9000", Recorded, blinky},
		{"answer to 00F7009B", "01010A 02020001 050101 9000", Recorded, blinky},
		{"answer to 00F70096", "6A88", Recorded, blinky},
		{"answer to 00F7009E", "6A88", Recorded, blinky},
	}},
	{"yubikey-5.7.4", "YubiKey 5", baseYubiKey, []Fact{
		{firmware, "5.7.4", Recorded, keyroost147},
		{"ATR", "3BFD1300008131FE158073C021C057597562694B657940", Assumed, ""}, // as version 5.4.3
		{"SELECT", selectPIX, Recorded, keyroost147},
		{"certificates", "gzip", Recorded, keyroost147},
		{"answer to 00FD0000", "050704 9000", Recorded, keyroost147},
	}},
	{"yubikey-bio-5.7.2", "YubiKey Bio, multi-protocol edition", baseYubiKey, []Fact{
		{firmware, "5.7.2", Recorded, blinky},
		{"ATR", "3BFD1300008131FE158073C021C057597562694B657940", Assumed, ""}, // as version 5.4.3
		{"SELECT", selectPIX, Recorded, blinky},
		{"PIN retries", "8", Recorded, blinky},
		{"answer to 00FD0000", "050702 9000", Recorded, blinky},
		{"fixed answer to 00F70081", "0101FF 050100 06020000 9000", Recorded, blinky},
		{"fixed answer to 00F70096", "070101 060103 080100 9000", Recorded, blinky},
		{"answer to 00F7009B", "01010A 02020001 050101 9000", Recorded, blinky},
	}},
	{"yubikey-factory", "YubiKey 5 of Yubico's manual, as it leaves the factory", baseYubiKey, []Fact{
		{firmware, "5.3.0", Stated, yubicoSDK},
		{"SELECT", selectPIX, Recorded, yubicoSDK},
		{"CHUID", "absent", Recorded, yubicoSDK},
		{"key history", "absent", Recorded, yubicoSDK},
		{"discovery object", discovery4000, Recorded, yubicoSDK},
		{"answer to 00CB3FFF 5C035FC107", "6A82", Recorded, yubicoSDK},
	}},
	{"yubikey-docs", "YubiKey 5 of Yubico's manual", baseYubiKey, []Fact{
		{firmware, "5.3.0", Stated, yubicoSDK},
		{"SELECT", selectPIX, Recorded, yubicoSDK},
		{"fixed answer to 00F7009B", "010103 02020001 050100 9000", Recorded, yubicoSDK}, // 050100: the key was changed
		{"answer to 00C00000", "6A80", Recorded, yubicoSDK},
	}},
}
