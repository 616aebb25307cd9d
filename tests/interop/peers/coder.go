// An echo peer built with nhooyr.io/websocket, which is now coder/websocket.
//
//	coder server         prints its URL, echoes
//	coder client URL...  connects to each in turn, echoes; with compression if the URL ends in ?deflate
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"nhooyr.io/websocket"
)

// echo answers until the connection ends. The text `close CODE REASON` requests a Close.
func echo(connection *websocket.Conn) {
	connection.SetReadLimit(64 << 20)
	for {
		kind, data, err := connection.Read(context.Background())
		if err != nil {
			return // the library has answered a Close
		}
		if words := strings.SplitN(string(data), " ", 3); kind == websocket.MessageText && len(words) == 3 && words[0] == "close" {
			code, _ := strconv.Atoi(words[1])
			connection.Close(websocket.StatusCode(code), words[2])
			return
		}
		if err := connection.Write(context.Background(), kind, data); err != nil {
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
		options := websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover}
		log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connection, err := websocket.Accept(w, r, &options)
			if err != nil {
				log.Print(err)
				return
			}
			echo(connection)
		})))
	}
	for _, url := range os.Args[2:] {
		options := websocket.DialOptions{CompressionMode: websocket.CompressionDisabled}
		if strings.HasSuffix(url, "?deflate") {
			options.CompressionMode = websocket.CompressionContextTakeover
		}
		connection, _, err := websocket.Dial(context.Background(), url, &options)
		if err != nil {
			log.Print(err)
			continue
		}
		echo(connection)
	}
}
