package upn

// A Platform is a version of Windows that can sign in to Azure AD with the
// certificate of a smart card.
type Platform struct {
	Name     string
	Build    int    // of the version, as in 10.0.22000.1042
	Revision int    // the lowest one that has the feature; 0: the document names none
	Update   string // that brings it; empty: the document names none
}

// platforms is the table of the sign-in document of 2022.
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

// Platforms returns the table, lowest build first.
func Platforms() []Platform { return append([]Platform(nil), platforms[:]...) }

// PlatformOf returns the row of a build, and whether a machine with that build
// and revision (the third and fourth number of its version) has the feature.
// Where it has not, Update says what it lacks. Builds after the last row are
// taken to have it, builds between the rows not to have it: then the Platform
// has no Name.
func PlatformOf(build, revision int) (p Platform, supported bool) {
	for _, p := range platforms {
		if p.Build == build {
			return p, revision >= p.Revision
		}
	}
	return Platform{Build: build}, build > platforms[len(platforms)-1].Build
}
