import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

/**
 * The two HTTP clients of the JDK, each as a program uses it that sets nothing.
 *
 * For each pair of arguments, a client and a URL, one line: status, length and type of the content.
 */
class Clients {
    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < arguments.length; i += 2) {
            System.out.println(ask(arguments[i], URI.create(arguments[i + 1])));
        }
    }

    static String ask(String client, URI uri) throws Exception {
        if (client.equals("HttpURLConnection")) {
            var connection = (HttpURLConnection) uri.toURL().openConnection();
            var type = connection.getContentType(); // connects, and follows redirects
            if (connection.getResponseCode() >= 400) return connection.getResponseCode() + "";
            return connection.getResponseCode() + " " + connection.getInputStream().readAllBytes().length + " " + type;
        }
        var builder = HttpClient.newBuilder();
        if (client.equals("HttpClient HTTP_1_1")) builder.version(HttpClient.Version.HTTP_1_1);
        var response = builder.build().send(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofByteArray());
        if (response.statusCode() >= 400) return response.statusCode() + "";
        return response.statusCode() + " " + response.body().length + " "
            + response.headers().firstValue("content-type").orElse("none");
    }
}
