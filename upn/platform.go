package upn

// A Platform is a version of Windows that supports signing in to Azure AD with a
// smart card certificate.
type Platform struct {
	Name     string
	Build    int    // 22000 in 10.0.22000.1042
	Revision int    // lowest with support, 1042 in 10.0.22000.1042; 0: not stated
	Update   string // update that adds support; empty: not stated
}

// platforms is the table in the 2022 revision of the sign-in document.
var platforms = [...]Platform{
	{"Windows 10 1809, Server 2019", 17763, 3469, "KB5017379"},
	{"Windows 10 20H1", 19041, 0, ""},
	{"Windows 10 20H2, Server 20H2", 19042, 2075, "KB5017380"},
	{"Windows 10 21H1", 19043, 2075, "KB5017380"},
	{"Windows 10 21H2", 19044, 2075, "KB5017380"},
	{"Server 2022", 20348, 1070, "KB5017381"},
	{"Windows 11 21H2", 22000, 1042, "KB5017383"},
	{"Windows 11 22H2", 22621, 0, ""},
}

// Platforms returns the versions in the sign-in document, lowest build first.
func Platforms() []Platform { return append([]Platform(nil), platforms[:]...) }

// PlatformOf returns the Platform of a build and reports whether that build and
// revision, the third and fourth number of a Windows version, support sign-in. A
// build that the document does not list has no Name; it is supported if it is
// later than those listed.
func PlatformOf(build, revision int) (p Platform, supported bool) {
	for _, p := range platforms {
		if p.Build == build {
			return p, revision >= p.Revision
		}
	}
	return Platform{Build: build}, build > platforms[len(platforms)-1].Build
}
