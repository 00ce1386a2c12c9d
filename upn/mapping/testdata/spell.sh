#!/bin/sh
# Prints the mappings of certificates independently of the package, from the names
# that openssl prints and the bytes of the PEM file. They must be equal to the
# preferred spellings.
#
#     spell.sh FILE.pem...
#
# prints a line "file <tab> kind <tab> mapping" for IS, S, SKI, SHA1PUKEY (of Entra)
# and ISR of each certificate that openssl can read.
set -eu
export LC_ALL=C
for file; do
	info=$(openssl x509 -in "$file" -noout -issuer -subject -fingerprint -sha1 \
		-ext subjectKeyIdentifier -nameopt sep_multiline,oid,utf8,space_eq 2>/dev/null) || continue
	# The serial number is the first INTEGER at depth 2. The version is at depth 3.
	at=$(openssl asn1parse -in "$file" 2>/dev/null |
		sed -n 's/^ *\([0-9]*\):d=2 *hl=\([0-9]*\) *l= *\([0-9]*\) *prim: INTEGER.*/\1 \2 \3/p' | head -n 1)
	set -- $at
	[ $# = 3 ] || continue
	serial=$(sed -n '/^-----BEGIN/,/^-----END/p' "$file" | sed '/^-----/d' |
		base64 -d 2>/dev/null | od -An -v -tx1 -j $(($1 + $2)) -N "$3" | tr -d ' \n')
	printf '%s\n' "$info" | awk -v file="$file" -v serial="$serial" '
	BEGIN {
		type["2.5.4.3"] = "CN"; type["2.5.4.4"] = "SN"; type["2.5.4.5"] = "SERIALNUMBER"
		type["2.5.4.6"] = "C"; type["2.5.4.7"] = "L"; type["2.5.4.8"] = "S"
		type["2.5.4.9"] = "STREET"; type["2.5.4.10"] = "O"; type["2.5.4.11"] = "OU"
		type["2.5.4.12"] = "T"; type["2.5.4.13"] = "Description"; type["2.5.4.17"] = "PostalCode"
		type["2.5.4.18"] = "POBox"; type["2.5.4.20"] = "Phone"; type["2.5.4.24"] = "X21Address"
		type["2.5.4.42"] = "G"; type["2.5.4.43"] = "I"; type["2.5.4.46"] = "dnQualifier"
		type["1.2.840.113549.1.9.1"] = "E"; type["0.9.2342.19200300.100.1.25"] = "DC"
	}
	function attribute(text,    at, id, value) {
		at = index(text, " = ")
		id = substr(text, 1, at - 1)
		value = substr(text, at + 3)
		if (value == "" || value ~ /^ / || value ~ / $/ || value ~ /[,+="<>#;]/) {
			gsub(/"/, "\"\"", value)
			value = "\"" value "\""
		}
		return (id in type ? type[id] : "OID." id) "=" value
	}
	# A line is a relative name: attributes separated by " + ".
	function relative(line,    out) {
		out = ""
		while (match(line, / \+ [0-9]+(\.[0-9]+)+ = /)) {
			out = out attribute(substr(line, 1, RSTART - 1)) " "
			line = substr(line, RSTART + 3)
		}
		return out attribute(line)
	}
	/^issuer=/ { part = "issuer"; next }
	/^subject=/ { part = "subject"; next }
	/ingerprint=/ { part = ""; gsub(/.*=|:/, ""); hash = tolower($0); next }
	/Subject Key Identifier/ { part = "ski"; next }
	part == "ski" { gsub(/[ :]/, ""); ski = tolower($0); part = ""; next }
	/^    ./ && part != "" {
		line = relative(substr($0, 5))
		name[part] = name[part] == "" ? line : name[part] "," line
	}
	END {
		if (length(serial) > 2) sub(/^00/, "", serial)
		for (i = length(serial) - 1; i > 0; i -= 2) reversed = reversed substr(serial, i, 2)
		issuer = "X509:<I>" name["issuer"]
		if (name["issuer"] != "" && name["subject"] != "") print file "\tIS\t" issuer "<S>" name["subject"]
		if (name["subject"] != "") print file "\tS\tX509:<S>" name["subject"]
		if (ski != "") print file "\tSKI\tX509:<SKI>" ski
		print file "\tSHA1PUKEY\tX509:<SHA1-PUKEY>" hash
		if (name["issuer"] != "" && reversed != "") print file "\tISR\t" issuer "<SR>" reversed
	}'
done
