import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Uses a server through JDBC as tools do; prints each step with what it came to. */
public class JdbcSteps {
  interface Step {
    Object run() throws Exception;
  }

  static String quote(Object value) {
    String text = String.valueOf(value).replace("\\", "\\\\").replace("\"", "\\\"");
    return "\"" + text.replace("\n", " ").replace("\r", "").replace("\t", " ") + "\"";
  }

  static void step(String name, Step run) {
    String outcome;
    try {
      outcome = "{\"value\":" + quote(run.run()) + "}";
    } catch (Throwable error) {
      outcome = "{\"error\":" + quote(error.getClass().getName()) + ",\"message\":" + quote(error.getMessage()) + "}";
    }
    System.out.println("[" + quote(name) + "," + outcome + "]");
  }

  static String rows(ResultSet set) throws SQLException {
    try (set) {
      List<String> rows = new ArrayList<>();
      int columns = set.getMetaData().getColumnCount();
      while (set.next()) {
        List<String> row = new ArrayList<>();
        for (int column = 1; column <= columns; column++) row.add(String.valueOf(set.getObject(column)));
        rows.add(String.join(",", row));
      }
      return String.join(";", rows);
    }
  }

  static String column(ResultSet set, String... names) throws SQLException {
    try (set) {
      List<String> rows = new ArrayList<>();
      while (set.next()) {
        List<String> row = new ArrayList<>();
        for (String name : names) row.add(set.getString(name));
        rows.add(String.join(":", row));
      }
      return String.join(" ", rows);
    }
  }

  static void runStatements(Connection connection, Statement statement) {
    step("create", () -> statement.execute(
        "create table items (id integer primary key, name varchar, price decimal(10,2), made timestamp)"));
    step("insert", () -> statement.executeUpdate(
        "insert into items values (1, 'one', 1.50, timestamp '2026-01-02 03:04:05'), (2, 'two', 2.25, null)"));
    step("rows", () -> rows(statement.executeQuery("select id, name, price from items order by id")));
    step("timestamp", () -> rows(statement.executeQuery("select made from items where id = 1")));
    step("types", () -> {
      try (ResultSet set = statement.executeQuery("select * from items")) {
        ResultSetMetaData facts = set.getMetaData();
        List<String> types = new ArrayList<>();
        for (int column = 1; column <= facts.getColumnCount(); column++) types.add(facts.getColumnTypeName(column));
        return types;
      }
    });
    step("digits", () -> {
      try (ResultSet set = statement.executeQuery("select 1 as i, price, price * 100 as more from items")) {
        ResultSetMetaData facts = set.getMetaData();
        return facts.getPrecision(2) + "," + facts.getScale(2) + " " + facts.getScale(3);
      }
    });
    step("prepared", () -> {
      try (PreparedStatement prepared = connection.prepareStatement("select name from items where id = ?")) {
        prepared.setInt(1, 2);
        String first = rows(prepared.executeQuery());
        prepared.setInt(1, 1);
        return first + "|" + rows(prepared.executeQuery());
      }
    });
    step("prepared update", () -> {
      try (PreparedStatement prepared = connection.prepareStatement("update items set name = ? where id = ?")) {
        prepared.setString(1, "changed");
        prepared.setInt(2, 1);
        return prepared.executeUpdate();
      }
    });
    step("batch", () -> {
      try (PreparedStatement prepared = connection.prepareStatement("insert into items (id, name) values (?, ?)")) {
        for (int id = 10; id < 13; id++) {
          prepared.setInt(1, id);
          prepared.setString(2, "n" + id);
          prepared.addBatch();
        }
        return Arrays.stream(prepared.executeBatch()).sum();
      }
    });
    step("many", () -> {
      try (ResultSet set = statement.executeQuery("select range as i from range(300000)")) {
        long sum = 0;
        while (set.next()) sum += set.getLong(1);
        return sum;
      }
    });
    step("syntax", () -> rows(statement.executeQuery("selec 1")));
    step("missing", () -> rows(statement.executeQuery("select * from nowhere")));
  }

  static void readMetadata(DatabaseMetaData metadata) {
    step("product", () -> metadata.getDatabaseProductName());
    step("tables", () -> column(
        metadata.getTables(null, null, "it%", new String[] {"TABLE"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"));
    step("columns", () -> column(metadata.getColumns(null, "main", "items", null), "COLUMN_NAME", "TYPE_NAME"));
    step("keys", () -> column(metadata.getPrimaryKeys(null, "main", "items"), "COLUMN_NAME"));
    step("table types", () -> rows(metadata.getTableTypes()));
    step("what fails", () -> {
      List<String> failed = new ArrayList<>();
      for (Method method : DatabaseMetaData.class.getMethods()) {
        if (method.getParameterCount() > 0) continue;
        try {
          Object value = method.invoke(metadata);
          if (value instanceof ResultSet) ((ResultSet) value).close();
        } catch (InvocationTargetException error) {
          failed.add(method.getName() + ": " + error.getCause());
        }
      }
      return failed;
    });
  }

  public static void main(String[] args) throws Exception {
    try (Connection connection = DriverManager.getConnection(args[0])) {
      try (Statement statement = connection.createStatement()) {
        runStatements(connection, statement);
        readMetadata(connection.getMetaData());
      }
    }
    System.exit(0);
  }
}
