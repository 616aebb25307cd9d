// An echo peer built with gorilla/websocket.
//
//	gorilla server         prints its URL, echoes
//	gorilla client URL...  connects to each in turn, echoes; with compression if the URL ends in ?deflate
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/gorilla/websocket"
)

// echo answers until the connection ends. The text `close CODE REASON` requests a Close.
func echo(connection *websocket.Conn) {
	defer connection.Close()
	for {
		kind, data, err := connection.ReadMessage()
		if err != nil {
			return // the library has answered a Close
		}
		if words := strings.SplitN(string(data), " ", 3); kind == websocket.TextMessage && len(words) == 3 && words[0] == "close" {
			code, _ := strconv.Atoi(words[1])
			kind, data = websocket.CloseMessage, websocket.FormatCloseMessage(code, words[2])
		}
		if err := connection.WriteMessage(kind, data); err != nil {
			return
		}
	}
}

func main() {
	if os.Args[1] == "server" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("listening on ws://%s\n", listener.Addr())
		upgrader := websocket.Upgrader{EnableCompression: true}
		log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connection, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				log.Print(err)
				return
			}
			echo(connection)
		})))
	}
	for _, url := range os.Args[2:] {
		dialer := websocket.Dialer{EnableCompression: strings.HasSuffix(url, "?deflate")}
		connection, _, err := dialer.Dial(url, nil)
		if err != nil {
			log.Print(err)
			continue
		}
		echo(connection)
	}
}
