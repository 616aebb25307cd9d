// An echo client built with Java's HttpClient, which has no compression.
//
//     Echo.java client URL...    connects to each in turn, echoes
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

public class Echo implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();
    private final ByteArrayOutputStream binary = new ByteArrayOutputStream();
    final CompletableFuture<Void> ended = new CompletableFuture<>();

    public static void main(String[] arguments) throws InterruptedException {
        var client = HttpClient.newHttpClient();
        for (int i = 1; i < arguments.length; i++) {
            var echo = new Echo();
            try {
                client.newWebSocketBuilder().buildAsync(URI.create(arguments[i]), echo).join();
                echo.ended.join();
            } catch (Exception e) {
                System.err.println(arguments[i] + ": " + e);
            }
        }
        Thread.sleep(500); // the library answers the last Close after `onClose`, and does not report when
    }

    // One message at a time: the library refuses to send before the previous message has been sent.
    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
        text.append(part);
        CompletableFuture<WebSocket> sent = CompletableFuture.completedFuture(socket);
        if (last) {
            var whole = text.toString();
            text.setLength(0);
            var words = whole.split(" ", 3);
            // The text `close CODE REASON` requests a Close.
            sent = words.length == 3 && words[0].equals("close")
                ? socket.sendClose(Integer.parseInt(words[1]), words[2])
                : socket.sendText(whole, true);
        }
        return sent.thenRun(() -> socket.request(1));
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer part, boolean last) {
        var bytes = new byte[part.remaining()];
        part.get(bytes);
        binary.writeBytes(bytes);
        CompletableFuture<WebSocket> sent = CompletableFuture.completedFuture(socket);
        if (last) {
            sent = socket.sendBinary(ByteBuffer.wrap(binary.toByteArray()), true);
            binary.reset();
        }
        return sent.thenRun(() -> socket.request(1));
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        ended.complete(null);
        return null; // the library answers with the same code
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        System.err.println(error);
        ended.complete(null);
    }
}
