# An echo peer built with Mojolicious.
#
#     mojolicious_echo.pl server         prints its URL, echoes
#     mojolicious_echo.pl client URL...  connects to each in turn, echoes; with compression if the URL ends in ?deflate
use v5.30;
use warnings;
use Mojo::IOLoop;
use Mojo::Server::Daemon;
use Mojo::UserAgent;
use Mojolicious;

$| = 1;
my ($role, @urls) = @ARGV;

# Answers. The text `close CODE REASON` requests a Close.
sub echo {
    my $tx = shift;
    $tx->max_websocket_size(64 << 20);
    $tx->on(text => sub {
        my ($tx, $bytes) = @_;
        if ($bytes =~ /^close (\d+) (.*)$/) { $tx->finish($1, $2) }
        else                                { $tx->send({text => $bytes}) }
    });
    $tx->on(binary => sub { my ($tx, $bytes) = @_; $tx->send({binary => $bytes}) });
}

if ($role eq 'server') {
    my $app = Mojolicious->new(secrets => ['none'], mode => 'production');
    $app->log->level('error');
    $app->routes->websocket('/*any' => sub {
        my $controller = shift;
        $controller->tx->with_compression;
        $controller->inactivity_timeout(0);
        echo($controller->tx);
        $controller->rendered(101);
    });
    my $daemon = Mojo::Server::Daemon->new(app => $app, listen => ['http://127.0.0.1:0'], silent => 1);
    $daemon->start;
    say 'listening on ws://127.0.0.1:' . $daemon->ports->[0];
    Mojo::IOLoop->start;
    exit;
}

my $agent = Mojo::UserAgent->new(inactivity_timeout => 0);
for my $url (@urls) {
    my $headers = $url =~ /\?deflate$/ ? {'Sec-WebSocket-Extensions' => 'permessage-deflate'} : {};
    $agent->websocket($url => $headers => sub {
        my ($agent, $tx) = @_;
        return Mojo::IOLoop->stop, warn "$url: not accepted\n" unless $tx->is_websocket;
        echo($tx);
        $tx->on(finish => sub { Mojo::IOLoop->stop });
    });
    Mojo::IOLoop->start;
}
