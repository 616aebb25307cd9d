// An echo server built with Boost.Beast: `beast server` prints its URL and echoes.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::asio::ip::tcp;

// Echoes until the connection ends. The text `close CODE REASON` requests a Close.
static void echo(tcp::socket socket) {
    websocket::stream<tcp::socket> stream(std::move(socket));
    websocket::permessage_deflate deflate;
    deflate.server_enable = true;
    try {
        stream.set_option(deflate);
        stream.read_message_max(64 << 20);
        stream.accept();
        for (;;) {
            beast::flat_buffer buffer;
            stream.read(buffer);
            auto const text = stream.got_text() ? beast::buffers_to_string(buffer.data()) : std::string();
            if (text.rfind("close ", 0) == 0) {
                auto const space = text.find(' ', 6);
                auto const code = static_cast<websocket::close_code>(std::atoi(text.c_str() + 6));
                stream.close(websocket::close_reason(code, text.substr(space + 1)));
                return;
            }
            stream.text(stream.got_text());
            stream.write(buffer.data());
        }
    } catch (beast::system_error const &error) {
        // The library has answered a Close.
        if (error.code() != websocket::error::closed) std::cerr << error.what() << std::endl;
    }
}

int main() {
    boost::asio::io_context context;
    tcp::acceptor acceptor(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
    std::cout << "listening on ws://127.0.0.1:" << acceptor.local_endpoint().port() << std::endl;
    for (;;) std::thread(echo, acceptor.accept()).detach();
}
