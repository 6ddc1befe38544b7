// Aperture's own l402 package reads our token and writes the header that our worker then takes. It stands for
// every Go client that is built on it, and for its reading of the protocol.
//
// What it cannot check is the token's signature: the root key never leaves the worker.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/lightninglabs/aperture/l402"
	"github.com/lightningnetwork/lnd/lntypes"
	"gopkg.in/macaroon.v2"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: aperture-token URL SERVICE")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(url, service string) error {
	token, invoice, err := challenge(url)
	if err != nil {
		return err
	}
	preimage, err := pay(invoice)
	if err != nil {
		return err
	}
	mac, proof, err := check(token, preimage, service)
	if err != nil {
		return err
	}
	for range 2 {
		request, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		// Two lines of the same name: LSAT for old servers, then L402.
		if err := l402.SetHeader(&request.Header, mac, proof); err != nil {
			return err
		}
		status, body, err := send(request)
		if err != nil {
			return err
		}
		fmt.Println(status, string(body))
	}
	fmt.Println("not checked: the token's signature, for want of the root key")
	return nil
}

// challenge asks without paying. Aperture's client parses challenges of gRPC calls only, so this reads the body.
func challenge(url string) (token, invoice string, err error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	status, body, err := send(request)
	if err != nil {
		return "", "", err
	}
	if status != http.StatusPaymentRequired {
		return "", "", fmt.Errorf("not a 402: %d %s", status, body)
	}
	var offer struct{ Macaroon, Invoice string }
	err = json.Unmarshal(body, &offer)
	return offer.Macaroon, offer.Invoice, err
}

// check reads the credential as an aperture server would, and holds it against the service.
func check(token, preimage, service string) (*macaroon.Macaroon, lntypes.Preimage, error) {
	var none lntypes.Preimage
	header := http.Header{"Authorization": {"L402 " + token + ":" + preimage}}
	mac, proof, err := l402.FromHeader(&header)
	if err != nil {
		return nil, none, err
	}
	// Byte for byte: what aperture writes is what we minted.
	binary, err := mac.MarshalBinary()
	if err != nil {
		return nil, none, err
	}
	if base64.StdEncoding.EncodeToString(binary) != token {
		return nil, none, errors.New("the token changes when it is written again")
	}

	id, err := l402.DecodeIdentifier(strings.NewReader(string(mac.Id())))
	if err != nil {
		return nil, none, err
	}
	if id.Version != l402.LatestVersion {
		return nil, none, fmt.Errorf("version %d of the identifier", id.Version)
	}
	if !proof.Matches(id.PaymentHash) {
		return nil, none, errors.New("the preimage is not that of the token's payment hash")
	}

	var caveats []l402.Caveat
	for _, raw := range mac.Caveats() {
		caveat, err := l402.DecodeCaveat(string(raw.Id))
		if err != nil {
			return nil, none, fmt.Errorf("caveat %q: %w", raw.Id, err)
		}
		caveats = append(caveats, caveat)
	}
	for _, condition := range []string{l402.CondServices, service + l402.CondTimeoutSuffix} {
		if _, ok := l402.HasCaveat(mac, condition); !ok {
			return nil, none, fmt.Errorf("no caveat %s", condition)
		}
	}
	holds := func(service string, now func() time.Time) error {
		return l402.VerifyCaveats(caveats,
			l402.NewServicesSatisfier(service), l402.NewTimeoutSatisfier(service, now))
	}
	if err := holds(service, time.Now); err != nil {
		return nil, none, err
	}
	// Each yes with its nearest no.
	if holds("other-service", time.Now) == nil {
		return nil, none, errors.New("aperture lets the token into another service")
	}
	nextYear := func() time.Time { return time.Now().AddDate(1, 0, 0) }
	if holds(service, nextYear) == nil {
		return nil, none, errors.New("aperture lets the token in a year from now")
	}
	fmt.Println("checked: version, payment hash and preimage, services and", service+l402.CondTimeoutSuffix)
	return mac, proof, nil
}

// pay asks the dev wallet, which speaks phoenixd's POST /payinvoice, and gives the preimage.
func pay(invoice string) (string, error) {
	form := strings.NewReader(url.Values{"invoice": {invoice}}.Encode())
	request, err := http.NewRequest(http.MethodPost, os.Getenv("WALLET_URL")+"/payinvoice", form)
	if err != nil {
		return "", err
	}
	request.SetBasicAuth("", os.Getenv("WALLET_PASSWORD"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, body, err := send(request)
	if err != nil {
		return "", err
	}
	var reply struct{ PaymentPreimage string }
	if json.Unmarshal(body, &reply) != nil || reply.PaymentPreimage == "" {
		return "", fmt.Errorf("the wallet did not pay: %s", body)
	}
	return reply.PaymentPreimage, nil
}

func send(request *http.Request) (int, []byte, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, err
}
