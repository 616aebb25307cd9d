// An echo server built with libwebsockets: `libwebsockets server` prints its URL and echoes.
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4096 }; // bytes of a message in one frame

// A message to be sent; the library needs space before the data that it writes.
struct message {
    struct message *next;
    bool binary, begun;
    size_t length, written;
    unsigned char bytes[];
};

struct session {
    struct message *first, **last; // to be sent
    unsigned char *data;           // the message that is arriving
    size_t length;
    int close_code;
    char reason[124];
};

static void receive(struct lws *wsi, struct session *session, const void *in, size_t length) {
    session->data = realloc(session->data, session->length + length + 1);
    memcpy(session->data + session->length, in, length);
    session->length += length;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi)) return;

    bool binary = lws_frame_is_binary(wsi);
    session->data[session->length] = 0;
    // The text `close CODE REASON` requests a Close.
    if (!binary && !strncmp((char *)session->data, "close ", 6)) {
        const char *reason = strchr((char *)session->data + 6, ' ');
        session->close_code = atoi((char *)session->data + 6);
        snprintf(session->reason, sizeof session->reason, "%s", reason ? reason + 1 : "");
    } else {
        struct message *message = malloc(sizeof *message + LWS_PRE + session->length);
        *message = (struct message){NULL, binary, false, session->length, 0};
        memcpy(message->bytes + LWS_PRE, session->data, session->length);
        *session->last = message;
        session->last = &message->next;
    }
    free(session->data);
    session->data = NULL;
    session->length = 0;
    lws_callback_on_writable(wsi);
}

// Sends the next piece. Anything but 0 ends the connection.
static int send_next(struct lws *wsi, struct session *session) {
    struct message *message = session->first;
    // The library may refer to a piece until it asks for the next one.
    if (message && message->begun && message->written == message->length) {
        session->first = message->next;
        if (!session->first) session->last = &session->first;
        free(message);
        message = session->first;
    }
    if (!message) {
        if (!session->close_code) return 0;
        lws_close_reason(wsi, session->close_code, (unsigned char *)session->reason, strlen(session->reason));
        return -1;
    }
    size_t left = message->length - message->written;
    size_t piece = left < PIECE ? left : PIECE;
    int flags = lws_write_ws_flags(message->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT, !message->begun, piece == left);
    if (lws_write(wsi, message->bytes + LWS_PRE + message->written, piece, flags) < 0) return -1;
    message->written += piece;
    message->begun = true;
    lws_callback_on_writable(wsi);
    return 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    struct session *session = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        memset(session, 0, sizeof *session);
        session->last = &session->first;
        return 0;
    case LWS_CALLBACK_RECEIVE:
        receive(wsi, session, in, length);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return send_next(wsi, session);
    default:
        return 0;
    }
}

int main(void) {
    static const struct lws_protocols protocols[] = {{"echo", callback, sizeof(struct session), 1 << 16, 0, NULL, 0}, {0}};
    static const struct lws_extension extensions[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"}, {0}};
    struct lws_context_creation_info info = {
        .port = 0, .iface = "lo", .protocols = protocols, .extensions = extensions, .options = LWS_SERVER_OPTION_DISABLE_IPV6,
        .gid = -1, .uid = -1};
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    printf("listening on ws://127.0.0.1:%d\n", lws_get_vhost_listen_port(lws_get_vhost_by_name(context, "default")));
    fflush(stdout);
    while (lws_service(context, 0) >= 0) {}
    return 0;
}
