package main

import (
	"net"
	"os"
	"regexp"
	"time"

	"github.com/miekg/dns"
)

// dockerNames is where Docker's own name server answers in a container.
const dockerNames = "127.0.0.11:53"

// unitName is what this process calls itself where nobody says: under Compose the name that the container was given,
// elsewhere its part and its host.
func unitName(part string) string {
	host, _ := os.Hostname()
	if name := composeName(part, host); name != "" {
		return name
	}
	return part + "-" + host
}

// composeName asks Docker what the container is called, which is PROJECT-SERVICE-NUMBER (or, with the program of old,
// PROJECT_SERVICE_NUMBER), and gives SERVICE-NUMBER.
func composeName(part, host string) string {
	addrs, err := net.LookupHost(host)
	if err != nil || len(addrs) == 0 {
		return ""
	}
	reverse, err := dns.ReverseAddr(addrs[0])
	if err != nil {
		return ""
	}
	client := dns.Client{Timeout: 500 * time.Millisecond}
	answer, _, err := client.Exchange(new(dns.Msg).SetQuestion(reverse, dns.TypePTR), dockerNames)
	if err != nil {
		return ""
	}
	called := regexp.MustCompile(`[-_]` + regexp.QuoteMeta(part) + `[-_](\d+)\.`)
	for _, rr := range answer.Answer {
		if ptr, ok := rr.(*dns.PTR); ok {
			if m := called.FindStringSubmatch(ptr.Ptr); m != nil {
				return part + "-" + m[1]
			}
		}
	}
	return ""
}
