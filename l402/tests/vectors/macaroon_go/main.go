// Command macaroon_go writes macaroon_go.json beside this folder: macaroons made by gopkg.in/macaroon.v2, the library
// of lnd, aperture and lnget, for the test l402/tests/macaroon_vectors.rs. Its output never changes:
//
//	go run . > ../macaroon_go.json
package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"

	"gopkg.in/macaroon.v2"
)

// Vector is one macaroon: what went in, and what the library made of it. Hex, and Base64 as on the wire.
type Vector struct {
	Name       string   `json:"name"`
	RootKey    string   `json:"root_key"`
	Identifier string   `json:"identifier"`
	Location   string   `json:"location"`
	Caveats    []string `json:"caveats"`
	Signature  string   `json:"signature"`
	Base64     string   `json:"base64"`
	// Parent names the vector to which further caveats were added offline.
	Parent string `json:"parent,omitempty"`
}

var vectors []Vector

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func record(name, parent string, root []byte, m *macaroon.Macaroon) {
	binary, err := m.MarshalBinary()
	check(err)
	caveats := []string{}
	for _, caveat := range m.Caveats() {
		caveats = append(caveats, hex.EncodeToString(caveat.Id))
	}
	vectors = append(vectors, Vector{
		Name: name, Parent: parent, RootKey: hex.EncodeToString(root), Identifier: hex.EncodeToString(m.Id()),
		Location: m.Location(), Caveats: caveats, Signature: hex.EncodeToString(m.Signature()),
		Base64: base64.StdEncoding.EncodeToString(binary),
	})
}

func mint(name string, root, id []byte, location string, caveats ...string) *macaroon.Macaroon {
	m, err := macaroon.New(root, id, location, macaroon.V2)
	check(err)
	for _, caveat := range caveats {
		check(m.AddFirstPartyCaveat([]byte(caveat)))
	}
	record(name, "", root, m)
	return m
}

// attenuate adds caveats to a parsed copy, as a holder without the root key does.
func attenuate(name, parent string, root []byte, m *macaroon.Macaroon, caveats ...string) *macaroon.Macaroon {
	binary, err := m.MarshalBinary()
	check(err)
	var child macaroon.Macaroon
	check(child.UnmarshalBinary(binary))
	for _, caveat := range caveats {
		check(child.AddFirstPartyCaveat([]byte(caveat)))
	}
	record(name, parent, root, &child)
	return &child
}

// bytes counts up from start.
func bytes(n int, start byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = start + byte(i)
	}
	return b
}

// l402ID is the 66-byte identifier: version 0, payment hash, token id.
func l402ID(hash, token byte) []byte {
	id := make([]byte, 66)
	copy(id[2:34], bytes(32, hash))
	copy(id[34:], bytes(32, token))
	return id
}

func main() {
	zero, root := make([]byte, 32), bytes(32, 0)

	// wire.md §2.
	mint("wire.md 1, no caveat", zero, []byte("example-id"), "")
	mint("wire.md 1", zero, []byte("example-id"), "", "account = 12345")
	mint("wire.md 2", zero, []byte("test-id"), "lsat", "account=12345")
	mint("wire.md 2, no location", zero, []byte("test-id"), "", "account=12345")
	hash, _ := hex.DecodeString("02d449a31fbb267c8f352e9968a79e3e5fc95c1bbeaa502fd6454ebde5a4bedc")
	id := append(append([]byte{0, 0}, hash...), []byte(strings.Repeat("\x22", 32))...)
	mint("wire.md 3", root, id, "lsat", "services=api:0", "api_valid_until=1900000000")

	// Locations.
	for _, location := range []string{"satstile", "https://api.example.com/v1?a=b", "Zürich ⚡", strings.Repeat("l", 127),
		strings.Repeat("l", 128), strings.Repeat("l", 1000)} {
		name := location
		if len(name) > 40 {
			name = name[:4] + "… of " + map[int]string{127: "127", 128: "128", 1000: "1000"}[len(location)]
		}
		mint("location "+name, root, []byte("id"), location, "a=b")
	}

	// Identifiers.
	mint("identifier of one zero byte", root, []byte{0}, "")
	mint("identifier of one byte 02", root, []byte{2}, "")
	mint("identifier of every byte value", root, bytes(256, 0), "satstile", "a=b")
	mint("identifier of high bytes", root, bytes(66, 0xc0), "")
	mint("identifier of 127 bytes", root, bytes(127, 1), "")
	mint("identifier of 128 bytes", root, bytes(128, 1), "")
	mint("identifier of 300 bytes", root, bytes(300, 1), "", "a=b")

	// Root keys.
	mint("root key of one byte", []byte{1}, []byte("id"), "", "a=b")
	mint("root key of 64 bytes", bytes(64, 7), []byte("id"), "", "a=b")
	mint("root key of 65 bytes", bytes(65, 7), []byte("id"), "", "a=b")
	mint("root key that is text", []byte("this is the key"), []byte("keyid"), "http://example.org/", "account = 3735928559",
		"time < 2020-01-01T00:00")

	// Caveats.
	mint("caveat of one byte", root, []byte("id"), "", "x")
	mint("caveat of spaces and line breaks", root, []byte("id"), "", " a = b \r\n\t")
	mint("caveat of bytes that are no UTF-8", root, []byte("id"), "", string(bytes(200, 0x80)))
	mint("caveat beyond ASCII", root, []byte("id"), "", "Straße=⚡ 日本")
	mint("caveat of 127 bytes", root, []byte("id"), "", strings.Repeat("c", 127))
	mint("caveat of 128 bytes", root, []byte("id"), "", strings.Repeat("c", 128))
	mint("caveat of 1000 bytes", root, []byte("id"), "", strings.Repeat("c", 1000))
	mint("the same caveat twice", root, []byte("id"), "", "a=b", "a=b")
	mint("two caveats", root, []byte("id"), "", "a=b", "c=d")
	mint("the same two caveats in the other order", root, []byte("id"), "", "c=d", "a=b")
	many := []string{}
	for i := 0; i < 64; i++ {
		many = append(many, "n="+strings.Repeat("1", i+1))
	}
	mint("64 caveats", root, []byte("id"), "satstile", many...)

	// Tokens as Satstile mints them, and what holders make of them.
	token := mint("satstile token", root, l402ID(0x40, 0x01), "satstile", "services=articles:0",
		"articles_valid_until=1900003600", "satstile_aud=edge-1", "satstile_methods=GET,HEAD")
	attenuate("lnget adds the preimage", "satstile token", root, token, "preimage="+strings.Repeat("11", 32))
	child := attenuate("delegated for a minute", "satstile token", root, token, "articles_valid_until=1900000060")
	attenuate("delegated again, one route", "delegated for a minute", root, child, "satstile_route=r7")
	attenuate("delegated again, with a budget", "delegated for a minute", root, child, "satstile_budget_msat=5000",
		"satstile_uses=1")
	mint("satstile token with everything", root, l402ID(0xfe, 0xff), "satstile", "services=api:0",
		"api_valid_until=1900003600", "satstile_aud=edge-1", "satstile_methods=GET,HEAD,POST", "satstile_route=r1",
		"satstile_digest=sha-256:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", "satstile_uses=3",
		"satstile_budget_msat=100000")
	aperture := mint("aperture token", bytes(32, 0x77), l402ID(0, 0), "lsat", "services=service1:0")
	attenuate("aperture token with capabilities", "aperture token", bytes(32, 0x77), aperture,
		"service1_capabilities=add,subtract")

	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	check(encoder.Encode(map[string]any{
		"source":  "gopkg.in/macaroon.v2 v2.1.0, by macaroon_go/main.go",
		"vectors": vectors,
	}))
}
