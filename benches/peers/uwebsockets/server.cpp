// uWebSockets as an echo server.

#include <App.h>
#include <cstdio>

struct Data {};

int main() {
    const unsigned most = 64 << 20;
    uWS::App()
        .ws<Data>("/*", {
            .compression = uWS::DISABLED,
            .maxPayloadLength = most,
            .idleTimeout = 120,
            .maxBackpressure = most,
            .message = [](auto *socket, std::string_view message, uWS::OpCode kind) { socket->send(message, kind); },
        })
        .listen("127.0.0.1", 0, [](auto *listener) {
            std::printf("listening on ws://127.0.0.1:%d\n", us_socket_local_port(0, (us_socket_t *) listener));
            std::fflush(stdout);
        })
        .run();
}
